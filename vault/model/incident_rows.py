"""Rows of incidents, holds, re-issues and exchanges; what ``model.rows`` says of rows holds for these."""

from typing import NamedTuple

from vault.model.states import CardState, HoldKind, IncidentScope, IncidentState, Proof


class IncidentRow(NamedTuple):
    """An incident. ``batch_ids`` are 16 bytes each, one after the other; ``card_count`` counts its selection."""

    incident_id: bytes
    program: str
    state: IncidentState
    title: str
    scope: IncidentScope
    batch_ids: bytes
    card_count: int
    serials_leaked: int
    stops_issuance: int
    exchange_proof: Proof | None
    exchange_from_ms: int | None
    exchange_until_ms: int | None
    principal: str
    created_ms: int
    frozen_ms: int | None
    thawed_ms: int | None
    closed_ms: int | None
    revision: int
    tag: bytes


class IncidentStepRow(NamedTuple):
    """One act of an officer on an incident, for its timeline; ``number`` counts from 1 without gaps.

    ``action`` is the method's name, ``count`` what belongs to it: cards frozen, added, and so on.
    """

    incident_id: bytes
    number: int
    action: str
    principal: str
    at_ms: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody asks of a row
    note: str
    tag: bytes


class SelectionRow(NamedTuple):
    """A card chosen one by one, for an incident or a job (``selection_id`` is the id of either)."""

    selection_id: bytes
    card_id: bytes
    program: str
    tag: bytes


class HoldRow(NamedTuple):
    """A hold: no code under it is good. It is there while it holds, and deleted when it is lifted.

    ``ids`` are the batch or card ids, 16 bytes each, sorted; empty for a program. An incident's own hold has the
    incident's id, a contested card's one of its own.
    """

    hold_id: bytes
    program: str
    incident_id: bytes
    kind: HoldKind
    ids: bytes
    stops_issuance: int
    created_ms: int
    tag: bytes


class BlockRow(NamedTuple):
    """A principal that is cut off, for one program or (empty) for all."""

    program: str
    principal: str
    incident_id: bytes | None
    note: str
    blocked_by: str
    created_ms: int
    tag: bytes


class ReissueRow(NamedTuple):
    """A card that a job gave a new code.

    ``generation`` is the new code's, ``state`` and ``expires_ms`` are the card's at that time.
    """

    job_id: bytes
    card_id: bytes
    program: str
    generation: int
    state: CardState
    reissued_ms: int
    tag: bytes
    expires_ms: int | None = None


class PackageRow(NamedTuple):
    """The package of a re-issue's new codes; ``package_id`` is the job's id. Heads and keys are as in ``BatchRow``."""

    package_id: bytes
    program: str
    recipient: str
    package_head: bytes | None
    wrapped_package_key: bytes | None
    manifest_entries: int | None
    manifest_size: int | None
    manifest_sha256: bytes | None
    acknowledged_ms: int | None
    tag: bytes


class SaleSecretRow(NamedTuple):
    """The secret that was stored when a card was sold; ``secret_version`` counts them, from 1."""

    program: str
    card_id: bytes
    secret_version: int
    sealed_secret: bytes
    wrapped_secret_key: bytes
    tag: bytes


class ExchangeRow(NamedTuple):
    """A code that was exchanged: ``generation`` is that of the successor that was handed out."""

    program: str
    card_id: bytes
    generation: int
    incident_id: bytes
    principal: str
    request_id: bytes
    public_key: bytes
    exchanged_ms: int
    tag: bytes


class AttemptRow(NamedTuple):
    """Wrong proofs shown for a card since the last right one, and when the last was."""

    program: str
    card_id: bytes
    failures: int
    last_ms: int
    tag: bytes


class SupersededUseRow(NamedTuple):
    """How often a superseded code was tried."""

    program: str
    card_id: bytes
    generation: int
    uses: int
    first_ms: int
    last_ms: int
    tag: bytes
