"""Rows for tests of stores: plausible ones to vary with ``_replace``, and ones at the bounds of each type."""

from enum import IntEnum
from typing import Any, get_args, get_type_hints
from uuid import uuid4

from vault.model.incident_rows import (
    BlockRow,
    ExchangeRow,
    HoldRow,
    IncidentRow,
    PackageRow,
    ReissueRow,
    SaleSecretRow,
    SelectionRow,
    SupersededUseRow,
)
from vault.model.rows import (
    AuditEventRow,
    BatchRow,
    CardRow,
    CodeRow,
    JobRow,
    KeyVersionRow,
    ProgramRow,
    RequestRow,
    SerialRow,
    SubmissionRow,
)
from vault.model.shape import Shape
from vault.model.states import (
    BatchState,
    CardState,
    CheckAlgorithm,
    HoldKind,
    IncidentScope,
    IncidentState,
    JobKind,
    JobState,
    KeyPurpose,
    KeyState,
    ProgramState,
    Usage,
)

PROGRAM = "netcash"
TAG = bytes(range(22))


def new_id() -> bytes:
    return uuid4().bytes


def program(name: str = PROGRAM) -> ProgramRow:
    return ProgramRow(
        name, ProgramState.ACTIVE, "Net Cash", 16, CheckAlgorithm.LUHN, "", 1e-8, 0, 1, 3600, 3600, 1000, 1, TAG
    )


def key_version(version: int, purpose: KeyPurpose = KeyPurpose.INDEX, name: str = PROGRAM) -> KeyVersionRow:
    return KeyVersionRow(purpose, name, version, KeyState.ACTIVE, b"wrapped", None, 1000, 1001, None, TAG)


def batch(batch_id: bytes, created_ms: int = 1000, name: str = PROGRAM) -> BatchRow:
    return BatchRow(
        batch_id, name, BatchState.ISSUING, 10, "", "ref", None, created_ms, 1, None, None, None, None, None, TAG
    )


def card(card_id: bytes, batch_id: bytes | None = None, position: int | None = None) -> CardRow:
    return CardRow(
        PROGRAM, card_id, batch_id, position, CardState.INACTIVE, Usage.UNUSED, 1, "", None, 1000, None, None, None,
        0, None, None, 1, TAG,
    )  # fmt: skip


def code(digest: bytes, card_id: bytes, generation: int = 1, index_version: int = 1) -> CodeRow:
    return CodeRow(digest, index_version, PROGRAM, card_id, generation, "A00000000000X", b"sealed", b"key", TAG)


def serial(value: str, card_id: bytes, name: str = PROGRAM) -> SerialRow:
    return SerialRow(name, value, card_id, 1, TAG)


def job(job_id: bytes, subject: bytes, created_ms: int = 1000, state: JobState = JobState.RUNNING) -> JobRow:
    return JobRow(
        job_id, JobKind.ISSUE_BATCH, PROGRAM, subject, state, "spiffe://shop", 10, 0, 0, "", 0, created_ms, None,
        TAG, None, 0,
    )  # fmt: skip


def request(request_id: bytes, created_ms: int = 1000, principal: str = "spiffe://shop") -> RequestRow:
    return RequestRow(principal, request_id, "/vault.v1.X/Y", b"mac", b"result", created_ms, TAG)


def submission(nonce: bytes, created_ms: int = 1000) -> SubmissionRow:
    return SubmissionRow(nonce, "spiffe://shop", new_id(), created_ms, TAG)


def event(writer_id: bytes, counter: int, recorded_ms: int, name: str = PROGRAM) -> AuditEventRow:
    return AuditEventRow(writer_id, counter, recorded_ms, name, b"event", b"chain")


def incident(incident_id: bytes, created_ms: int = 1000, name: str = PROGRAM) -> IncidentRow:
    return IncidentRow(
        incident_id, name, IncidentState.OPEN, "codes read in bulk", IncidentScope.CARDS, b"", 0, 0, 0, None, None,
        None, "spiffe://officer", created_ms, None, None, None, 1, TAG,
    )  # fmt: skip


def selection(selection_id: bytes, card_id: bytes) -> SelectionRow:
    return SelectionRow(selection_id, card_id, PROGRAM, TAG)


def hold(hold_id: bytes, name: str = PROGRAM) -> HoldRow:
    return HoldRow(hold_id, name, hold_id, HoldKind.CARDS, b"1" * 16, 0, 1000, TAG)


def block(name: str, principal: str) -> BlockRow:
    return BlockRow(name, principal, None, "", "spiffe://officer", 1000, TAG)


def reissue(job_id: bytes, card_id: bytes, generation: int = 2) -> ReissueRow:
    return ReissueRow(job_id, card_id, PROGRAM, generation, CardState.ACTIVE, 1000, TAG)


def package(package_id: bytes) -> PackageRow:
    return PackageRow(package_id, PROGRAM, "printer", b"head", b"key", None, None, None, None, TAG)


def sale_secret(card_id: bytes) -> SaleSecretRow:
    return SaleSecretRow(PROGRAM, card_id, 1, b"sealed", b"key", TAG)


def exchange(card_id: bytes, generation: int, incident_id: bytes) -> ExchangeRow:
    return ExchangeRow(PROGRAM, card_id, generation, incident_id, "spiffe://shop", b"r" * 16, b"p" * 32, 1000, TAG)


def superseded_use(card_id: bytes, generation: int) -> SupersededUseRow:
    return SupersededUseRow(PROGRAM, card_id, generation, 1, 1000, 1000, TAG)


def extreme(shape: Shape, *, high: bool) -> Any:
    """Return a row of the highest values of each column's type, or of the lowest, with None where it may be."""
    values = []
    for kind in get_type_hints(shape.row).values():
        choices = get_args(kind)
        plain = next((choice for choice in choices if choice is not type(None)), kind)
        values.append(None if choices and not high else _bound(plain, high=high))
    return shape.row._make(values)


def _bound(kind: Any, *, high: bool) -> Any:
    if issubclass(kind, IntEnum):
        return max(kind) if high else min(kind)
    bounds = {
        int: (-(2**62), 2**62),
        float: (0.0, 1.7976931348623157e308),
        str: ("", "Zürich 発行 🂡 ' \" ; -- \\ %s ?1"),
        bytes: (b"", bytes(range(256)) * 256),
    }
    return bounds[kind][high]
