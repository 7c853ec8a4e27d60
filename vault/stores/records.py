"""What the vault asks of a store for each kind of record; ``protocol`` says what holds for all of them."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from vault.model.rows import (
    AuditEventRow,
    BatchRow,
    CardRow,
    CodeRow,
    JobRow,
    KeyUseRow,
    KeyVersionRow,
    ProcessRow,
    ProgramRow,
    RecipientRow,
    RequestRow,
    RootCopyRow,
    SerialRow,
    SubmissionRow,
    TallyRow,
    VaultRow,
)
from vault.model.states import CardState, KeyPurpose, Usage
from vault.stores.incidents import Counts


class VaultRecords(Protocol):
    """The vault's own row, and the catalogue number by which processes see that programs or keys have changed."""

    def get(self) -> VaultRow | None:
        """Return the vault's row; None before the vault is initialised."""

    def insert(self, row: VaultRow) -> None:
        """Write the vault's row."""

    def catalogue_number(self) -> int:
        """Return the number that rises with every change of a program, key version or key use."""

    def bump_catalogue(self) -> None:
        """Raise the catalogue number by one."""


class ProgramRecords(Protocol):
    """Programs."""

    def all(self) -> list[ProgramRow]:
        """Return every program, by id."""

    def insert(self, row: ProgramRow) -> None:
        """Write a new program; raise ``AlreadyExists`` if its id is taken."""

    def update(self, row: ProgramRow) -> None:
        """Replace the program with the row's id."""


class KeyRecords(Protocol):
    """Key versions and the use counts of key-encryption keys."""

    def all(self) -> list[KeyVersionRow]:
        """Return every key version, by purpose, program and version."""

    def insert(self, rows: Sequence[KeyVersionRow]) -> None:
        """Write new key versions; raise ``AlreadyExists`` if one is there."""

    def update(self, row: KeyVersionRow) -> None:
        """Replace the key version with the row's purpose, program and version."""

    def use(self, purpose: KeyPurpose, program: str, version: int) -> KeyUseRow | None:
        """Return the use count of a key version, locked against others until the transaction ends."""

    def put_use(self, row: KeyUseRow) -> None:
        """Insert or replace a use count."""


class RootCopyRecords(Protocol):
    """Confirmed copies of the root key."""

    def all(self) -> list[RootCopyRow]:
        """Return every confirmed copy, by root version."""

    def put(self, row: RootCopyRow) -> None:
        """Insert or replace the confirmation of a root version."""


class RecipientRecords(Protocol):
    """Recipients."""

    def get(self, program: str, recipient: str) -> RecipientRow | None:
        """Return a recipient; None if there is none."""

    def insert(self, row: RecipientRow) -> None:
        """Write a new recipient; raise ``AlreadyExists`` if its id is taken in the program."""

    def page(self, program: str, after: str, limit: int) -> list[RecipientRow]:
        """Return up to ``limit`` recipients with ids after ``after`` (empty: from the first), by id."""


class BatchRecords(Protocol):
    """Batches."""

    def get(self, batch_id: bytes) -> BatchRow | None:
        """Return a batch; None if there is none."""

    def insert(self, row: BatchRow) -> None:
        """Write a new batch."""

    def update(self, row: BatchRow) -> None:
        """Replace the batch with the row's id."""

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[BatchRow]:
        """Return up to ``limit`` batches, newest first, that come after ``before``, a (created_ms, batch_id)."""


class CardRecords(Protocol):
    """Cards."""

    def get(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, CardRow]:
        """Return the cards with these ids; ids without a card are left out."""

    def insert(self, rows: Sequence[CardRow]) -> None:
        """Write new cards."""

    def update(self, rows: Sequence[CardRow]) -> None:
        """Replace the cards with the rows' program and card id."""

    def page(  # noqa: PLR0913  one argument for each filter of ListCards
        self,
        program: str,
        after: bytes,
        limit: int,
        *,
        batch_id: bytes | None = None,
        state: CardState | None = None,
        usage: Usage | None = None,
    ) -> list[CardRow]:
        """Return up to ``limit`` matching cards with ids after ``after`` (empty: from the first), by id."""

    def in_batch(self, batch_id: bytes, position: int, limit: int) -> list[CardRow]:
        """Return up to ``limit`` cards of a batch from a position on, by position."""

    def count_by_state(self, batch_id: bytes) -> Mapping[CardState, int]:
        """Count a batch's cards by state; states without cards are left out."""

    def count(self, program: str, batch_ids: Collection[bytes] | None = None) -> Counts:
        """Count a program's cards, or those of some of its batches, by state and usage."""


class CodeRecords(Protocol):
    """Codes."""

    def claim(self, rows: Sequence[CodeRow]) -> set[bytes]:
        """Write each row whose digest is free, and return the digests that were not."""

    def delete(self, digests: Collection[bytes]) -> None:
        """Delete rows that this same transaction has claimed."""

    def by_digest(self, digests: Collection[bytes]) -> dict[bytes, CodeRow]:
        """Return the codes with these digests; digests without a code are left out.

        One digest without a code takes reading a row all the same, as soon as any code was found before: the time
        of an answer must not tell whether a code is there. ``CardRecords.get`` does likewise.
        """

    def of_cards(self, card_ids: Collection[bytes]) -> list[CodeRow]:
        """Return every code of these cards, of all generations and index versions, in no order."""


class SerialRecords(Protocol):
    """Serials."""

    def claim(self, rows: Sequence[SerialRow]) -> set[str]:
        """Write each row whose program and serial are free, and return the serials that were not."""

    def get(self, program: str, serials: Collection[str]) -> dict[str, SerialRow]:
        """Return the rows of these serials; serials without a row are left out."""


class TallyRecords(Protocol):
    """Counts of codes that are or may become good."""

    def get(self, program: str) -> list[TallyRow]:
        """Return every slot of a program."""

    def get_locked(self, program: str, slot: int) -> TallyRow | None:
        """Return one slot, locked against others until the transaction ends."""

    def put(self, row: TallyRow) -> None:
        """Insert or replace a slot."""


class JobRecords(Protocol):
    """Jobs and their leases, by the database's clock."""

    def get(self, job_id: bytes) -> JobRow | None:
        """Return a job; None if there is none."""

    def insert(self, row: JobRow) -> None:
        """Write a new job."""

    def update(self, row: JobRow) -> None:
        """Replace the job with the row's id, its lease included."""

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[JobRow]:
        """Return up to ``limit`` jobs, newest first, that come after ``before``, a (created_ms, job_id)."""

    def of_subject(self, subject: bytes) -> list[JobRow]:
        """Return the jobs that work or worked on a subject, oldest first."""

    def unfinished(self, program: str) -> list[JobRow]:
        """Return a program's jobs that are running or paused, oldest first."""

    def is_any_for(self, owner: bytes) -> bool:
        """Whether ``lease`` would give ``owner`` a job now: so that asking in vain need not write."""

    def lease(self, owner: bytes, seconds: float) -> JobRow | None:
        """Give ``owner`` a job for ``seconds``: its own running one, or else the oldest whose lease has run out.

        Returns None if there is none.
        """


class RequestRecords(Protocol):
    """Answered requests."""

    def get(self, principal: str, request_id: bytes) -> RequestRow | None:
        """Return an answered request; None if there is none."""

    def among(self, principal: str, request_ids: Collection[bytes]) -> dict[bytes, RequestRow]:
        """Return a principal's answered requests among some, by their ids."""

    def insert(self, row: RequestRow) -> None:
        """Write an answered request; raise ``AlreadyExists`` if the principal has used the id."""

    def insert_all(self, rows: Sequence[RequestRow]) -> None:
        """Write answered requests; raise ``AlreadyExists`` if a principal has used an id of his."""

    def sweep(self, before_ms: int, limit: int) -> int:
        """Delete up to ``limit`` requests created before a time, and return how many."""


class SubmissionRecords(Protocol):
    """Sealed submissions that were taken."""

    def get(self, nonces: Collection[bytes]) -> dict[bytes, SubmissionRow]:
        """Return the submissions with these nonces; nonces that were never taken are left out."""

    def claim(self, rows: Sequence[SubmissionRow]) -> set[bytes]:
        """Write each row whose nonce is free, and return the nonces that were not.

        A nonce that stands in the call twice is not written and is returned.
        """

    def sweep(self, before_ms: int, keep_ms: int, limit: int) -> int:
        """Delete up to ``limit`` submissions taken before a time, and return how many.

        None goes that was taken within ``keep_ms`` of the newest: a clock that is ahead deletes none that counts.
        """


class ProcessRecords(Protocol):
    """Processes that serve from the store, by its clock."""

    def see(self, process_id: bytes, access_sha256: bytes) -> None:
        """Take down that a process serves now, by this access file."""

    def all(self) -> list[ProcessRow]:
        """Return every process that is taken down, by id."""

    def now_ms(self) -> int:
        """Return the time by the store's clock, in milliseconds since 1970-01-01T00:00:00Z."""

    def forget(self, process_id: bytes, seconds: float) -> None:
        """Strike out a process, and all that were not seen for some seconds."""


class AuditPlace(NamedTuple):
    """Where an event stands in the order of ListAuditEvents."""

    recorded_ms: int
    writer_id: bytes
    counter: int


class AuditRecords(Protocol):
    """Audit events. There is no way to change or delete one."""

    def append(self, rows: Sequence[AuditEventRow]) -> None:
        """Write events."""

    def page(
        self, program: str | None, start_ms: int, end_ms: int, after: AuditPlace | None, limit: int
    ) -> list[AuditEventRow]:
        """Return up to ``limit`` events of a program (None: of all), in order, from after a place.

        Only events with start ≤ recorded < end.
        """
