"""What the vault asks of a store for incidents, holds, re-issues and exchanges.

``protocol`` says what holds for all records.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from vault.model.incident_rows import (
    AttemptRow,
    BlockRow,
    ExchangeRow,
    HoldRow,
    IncidentRow,
    IncidentStepRow,
    PackageRow,
    ReissueRow,
    SaleSecretRow,
    SelectionRow,
    SupersededUseRow,
)
from vault.model.states import CardState, Usage

Counts = Mapping[tuple[CardState, Usage], int]
"""Cards by state and usage; pairs without cards are left out."""


def counted(found: Iterable[tuple[Any, ...]]) -> Counts:
    """Return the counts that rows of state, usage and number give."""
    return {(CardState(state), Usage(usage)): number for state, usage, number in found}


class IncidentRecords(Protocol):
    """Incidents and their timelines."""

    def get(self, incident_id: bytes) -> IncidentRow | None:
        """Return an incident; None if there is none."""

    def insert(self, row: IncidentRow) -> None:
        """Write a new incident."""

    def update(self, row: IncidentRow) -> None:
        """Replace the incident with the row's id."""

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[IncidentRow]:
        """Return up to ``limit`` incidents, newest first, that come after ``before``, a (created_ms, incident_id)."""

    def all(self) -> list[IncidentRow]:
        """Return every incident of every program, by id; the caller tells those that are closed by verified rows."""

    def add_step(self, row: IncidentStepRow) -> None:
        """Write a step; raise ``AlreadyExists`` if its number is taken."""

    def steps(self, incident_id: bytes) -> list[IncidentStepRow]:
        """Return an incident's steps, by number."""


class SelectionRecords(Protocol):
    """Cards chosen one by one."""

    def claim(self, rows: Sequence[SelectionRow]) -> set[bytes]:
        """Write each row whose card is not in the selection yet, and return the card ids that were."""

    def page(self, selection_id: bytes, after: bytes, limit: int) -> list[SelectionRow]:
        """Return up to ``limit`` rows with card ids after ``after`` (empty: from the first), by card id."""

    def count_cards(self, selection_id: bytes) -> Counts:
        """Count the selection's cards by state and usage."""


class HoldRecords(Protocol):
    """Holds that hold."""

    def tags(self) -> dict[bytes, bytes]:
        """Return the tag of every hold, by id: what to compare before reading a long row again."""

    def get(self, hold_ids: Collection[bytes]) -> dict[bytes, HoldRow]:
        """Return the holds with these ids; ids without a hold are left out."""

    def insert(self, row: HoldRow) -> None:
        """Write a new hold; raise ``AlreadyExists`` if its id is taken."""

    def delete(self, hold_id: bytes) -> None:
        """Delete a hold; raise ``NotFound`` if there is none."""

    def page(self, program: str, after: bytes, limit: int) -> list[HoldRow]:
        """Return up to ``limit`` holds of a program with ids after ``after`` (empty: from the first), by id."""


class BlockRecords(Protocol):
    """Principals that are cut off."""

    def all(self) -> list[BlockRow]:
        """Return every block, by program and principal."""

    def put(self, row: BlockRow) -> None:
        """Insert or replace a block."""

    def delete(self, program: str, principal: str) -> None:
        """Delete a block; raise ``NotFound`` if there is none."""


class ReissueRecords(Protocol):
    """Cards that jobs gave new codes, and the packages of those codes."""

    def insert(self, rows: Sequence[ReissueRow]) -> None:
        """Write new rows; raise ``AlreadyExists`` if the job has had one of the cards."""

    def get(self, job_id: bytes, card_ids: Collection[bytes]) -> dict[bytes, ReissueRow]:
        """Return the job's rows of these cards; cards without a row are left out."""

    def page(self, job_id: bytes, after: bytes, limit: int) -> list[ReissueRow]:
        """Return up to ``limit`` rows of a job with card ids after ``after`` (empty: from the first), by card id."""

    def package(self, package_id: bytes) -> PackageRow | None:
        """Return a package; None if there is none."""

    def put_package(self, row: PackageRow) -> None:
        """Insert or replace a package."""


class ExchangeRecords(Protocol):
    """Exchanges, sale secrets and attempts."""

    def get(self, program: str, card_id: bytes) -> list[ExchangeRow]:
        """Return a card's exchanges, by generation."""

    def insert(self, row: ExchangeRow) -> None:
        """Write a new exchange; raise ``AlreadyExists`` if the card's generation was exchanged."""

    def count(self, incident_id: bytes) -> int:
        """Count an incident's exchanges."""

    def sale_secrets(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, SaleSecretRow]:
        """Return the sale secrets of cards; cards without one are left out."""

    def put_sale_secrets(self, rows: Sequence[SaleSecretRow]) -> None:
        """Insert or replace sale secrets."""

    def attempts(self, program: str, card_id: bytes) -> AttemptRow | None:
        """Return a card's attempts, locked against others until the transaction ends; None if there are none."""

    def put_attempts(self, row: AttemptRow) -> None:
        """Insert or replace a card's attempts."""


class SupersededUseRecords(Protocol):
    """How often superseded codes were tried."""

    def get(self, program: str, card_ids: Collection[bytes]) -> list[SupersededUseRow]:
        """Return every row of these cards, of all generations, in no order; locked against others in a writer."""

    def put(self, rows: Sequence[SupersededUseRow]) -> None:
        """Insert or replace rows."""
