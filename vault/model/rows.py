"""Rows: one named tuple per table, its fields in the order of the table's columns.

A row is what a store takes and gives back, and what a row tag is computed over, so there is one order and no
conversion between them. ``tag`` is the row tag (see ``crypto.rowtag``); columns named ``sealed_*`` and
``wrapped_*`` are ciphertext that binds itself to its row by its associated data.
"""

from typing import NamedTuple

from vault.model.states import (
    BatchState,
    CardState,
    CheckAlgorithm,
    JobKind,
    JobState,
    KeyPurpose,
    KeyState,
    ProgramState,
    Usage,
)


class ProgramRow(NamedTuple):
    """A program and its settings; windows in whole seconds. ``seal_required`` is None or 0 for no."""

    program: str
    state: ProgramState
    display_name: str
    code_length: int
    check_algorithm: CheckAlgorithm
    code_prefix: str
    max_guess_odds: float
    single_use: int
    clear_delivery: int
    activation_undo_seconds: int
    redemption_reversal_seconds: int
    created_ms: int
    revision: int
    tag: bytes
    seal_required: int | None = None


class KeyVersionRow(NamedTuple):
    """One version of a key.

    ``program`` is empty for the vault's own keys, ``wrapped_key`` is wrapped by the root key.
    """

    purpose: KeyPurpose
    program: str
    version: int
    state: KeyState
    wrapped_key: bytes
    public_key: bytes | None
    created_ms: int
    activated_ms: int | None
    deactivated_ms: int | None
    tag: bytes


class KeyUseRow(NamedTuple):
    """Encryptions reserved so far under a key-encryption key, against NIST SP 800-38D's bound."""

    purpose: KeyPurpose
    program: str
    version: int
    reserved: int
    tag: bytes


class RecipientRow(NamedTuple):
    """A registered X25519 public key, 32 bytes."""

    program: str
    recipient: str
    display_name: str
    public_key: bytes
    created_ms: int
    tag: bytes


class BatchRow(NamedTuple):
    """An issuance lot.

    ``package_head`` is what a package begins with, its key sealed to the recipient included;
    ``wrapped_package_key`` is the same key wrapped for the vault, None before the first export and again once
    the batch is acknowledged.
    """

    batch_id: bytes
    program: str
    state: BatchState
    card_count: int
    recipient: str
    reference: str
    expires_ms: int | None
    created_ms: int
    revision: int
    package_head: bytes | None
    wrapped_package_key: bytes | None
    manifest_entries: int | None
    manifest_size: int | None
    manifest_sha256: bytes | None
    tag: bytes


class CardRow(NamedTuple):
    """A card. ``batch_position`` counts from 0 in the order of issue.

    ``revision`` rises with every change and is the etag.
    """

    program: str
    card_id: bytes
    batch_id: bytes | None
    batch_position: int | None
    state: CardState
    usage: Usage
    generation: int
    reference: str
    expires_ms: int | None
    created_ms: int
    activated_ms: int | None
    redeemed_ms: int | None
    redemption_id: bytes | None
    record_version: int
    sealed_record: bytes | None
    wrapped_record_key: bytes | None
    revision: int
    tag: bytes


class CodeRow(NamedTuple):
    """A code: found by its digest, superseded when its generation is below its card's."""

    digest: bytes
    index_version: int
    program: str
    card_id: bytes
    generation: int
    serial: str
    sealed_code: bytes
    wrapped_code_key: bytes
    tag: bytes

    def __repr__(self) -> str:
        """Show which code it is, and nothing that a look-up could be made with."""
        return f"<CodeRow {self.serial}, generation {self.generation}>"


class SerialRow(NamedTuple):
    """Which card and generation a serial was printed for."""

    program: str
    serial: str
    card_id: bytes
    generation: int
    tag: bytes


class TallyRow(NamedTuple):
    """Part of a program's count of codes that are or may become good.

    The sum over its slots counts, a slot may be negative.
    """

    program: str
    slot: int
    live: int
    tag: bytes


class JobRow(NamedTuple):
    """Long work. ``subject`` is the id of what it works on; the lease is no more than a hint who is at it.

    ``cursor`` counts the job's chunks, or a batch's positions; ``spec`` is a ``JobSpec`` and ``progress`` a
    ``JobProgress``, None for kinds that need neither.
    """

    job_id: bytes
    kind: JobKind
    program: str
    subject: bytes
    state: JobState
    principal: str
    total_count: int
    done_count: int
    error_count: int
    last_error: str
    cursor: int
    created_ms: int
    finished_ms: int | None
    tag: bytes
    lease_owner: bytes | None
    lease_until_ms: int
    spec: bytes | None = None
    progress: bytes | None = None


class RequestRow(NamedTuple):
    """An answered request.

    ``body_mac`` is keyed and over the received bytes, ``result`` a ``RequestResult`` without codes.
    """

    principal: str
    request_id: bytes
    method: str
    body_mac: bytes
    result: bytes
    created_ms: int
    tag: bytes


class SubmissionRow(NamedTuple):
    """A sealed submission that was taken: its nonce, 16 bytes, and the request that it is bound to."""

    nonce: bytes
    principal: str
    request_id: bytes
    created_ms: int
    tag: bytes


class AuditEventRow(NamedTuple):
    """An audit event as written; time and program are copies from ``event`` to search by."""

    writer_id: bytes
    counter: int
    recorded_ms: int
    program: str
    event: bytes
    chain: bytes


class RootCopyRow(NamedTuple):
    """Someone has shown a copy of the root key of this version that opens the vault's keys."""

    root_version: int
    confirmed_ms: int
    tag: bytes


class ProcessRow(NamedTuple):
    """A process that serves, the SHA-256 of its access file, and when it was last seen, by the database's clock.

    It decides nothing and is gone within minutes, so it has neither shape nor tag.
    """

    process_id: bytes
    access_sha256: bytes
    seen_ms: int


class VaultRow(NamedTuple):
    """The vault itself, one row: its id, 16 random bytes, is bound into every wrapping by the root key."""

    vault_id: bytes
    created_ms: int
    tag: bytes
