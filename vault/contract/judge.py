"""Whether an answer is the one that was expected."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from google.rpc import error_details_pb2, status_pb2

from vault.contract.callers import REFUSED_BY_TLS
from vault.contract.case import FAULTS, FORM_REASONS, Case
from vault.contract.texts import DIGITS

DOMAIN = "cardvault"
OK = "OK"
_DETAILS_KEY = "grpc-status-details-bin"
_CORRELATION_ID = "correlation_id"
_LEAST_DIGITS = 8
_BETWEEN_DIGITS = re.compile(rb"(?<=[0-9])[ -](?=[0-9])")


class Answer(NamedTuple):
    """What came back: the status by its gRPC name, its message, the answer's bytes, the trailing metadata."""

    status: str
    message: str = ""
    body: bytes = b""
    metadata: tuple[tuple[str, bytes], ...] = ()

    def everything(self) -> bytes:
        """Return all that came back, one after the other."""
        return b"\n".join([self.body, self.message.encode(), *(value for _, value in self.metadata)])


class Refusal(NamedTuple):
    """The google.rpc details of an answer; empty where it has none, ``retry_seconds`` then None."""

    domain: str = ""
    reason: str = ""
    field: str = ""
    correlation_id: str = ""
    retry_seconds: float | None = None


def refusal_of(answer: Answer) -> Refusal:
    """Read the details of an answer.

    Raises:
        google.protobuf.message.DecodeError: They are not what google.rpc.Status describes.
    """
    packed = next((value for key, value in answer.metadata if key == _DETAILS_KEY), b"")
    info, bad, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    retry_seconds = None
    for detail in status_pb2.Status.FromString(packed).details:
        for kind in (info, bad, retry):
            if detail.Is(kind.DESCRIPTOR):
                detail.Unpack(kind)
        if detail.Is(retry.DESCRIPTOR):
            retry_seconds = retry.retry_delay.ToNanoseconds() / 1e9
    field = bad.field_violations[0].field if bad.field_violations else ""
    return Refusal(info.domain, info.reason, field, info.metadata.get(_CORRELATION_ID, ""), retry_seconds)


class Secrets:
    """Runs of digits that no answer may hold: codes of cards that live, and those that the cases make up."""

    def __init__(self, codes: Iterable[str] = ()) -> None:
        """Take codes, digits only, at least 8 each."""
        wrapped = DIGITS * 2
        made_up = {wrapped[start : start + _LEAST_DIGITS] for start in range(len(DIGITS))}
        self._runs = frozenset(run.encode() for run in {*codes, *made_up})
        self._sizes = sorted({len(run) for run in self._runs})

    def found_in(self, data: bytes) -> bool:
        """Tell whether some bytes hold one of them, grouped by spaces or hyphens or not."""
        joined = _BETWEEN_DIGITS.sub(b"", data)
        return any(
            run[start : start + size] in self._runs
            for run in re.findall(rb"[0-9]{8,}", joined)
            for size in self._sizes
            for start in range(len(run) - size + 1)
        )

    def __repr__(self) -> str:
        return f"<Secrets {len(self._runs)}>"


def problems(case: Case, answer: Answer, secrets: Secrets) -> Iterator[str]:
    """Walk what is wrong with an answer, in words that repeat none of its content."""
    expected, refusal = case.expected, refusal_of(answer)
    statuses = expected.statuses
    if (statuses and answer.status not in statuses) or (not statuses and answer.status in FAULTS):
        right = " or ".join(statuses) or "any status that is no fault"
        yield f"status is {answer.status}{_because(refusal)}, not {right}"
    elif expected.reason and refusal.reason != expected.reason:
        yield f"reason is {refusal.reason or 'not told'}, not {expected.reason}"
    elif expected.field and refusal.field != expected.field:
        yield f"the field named is {refusal.field or 'none'}, not {expected.field}"
    if expected.accepted and refusal.reason in FORM_REASONS and refusal.field == expected.accepted:
        yield f"{refusal.field} is refused ({refusal.reason})"
    if (
        _reached_the_vault(case)
        and answer.status != OK
        and (refusal.domain, bool(refusal.correlation_id))
        != (
            DOMAIN,
            True,
        )
    ):
        yield "the refusal has no ErrorInfo of the vault with a correlation id"
    if secrets.found_in(answer.everything()):
        yield "the answer holds a code's digits"


def _because(refusal: Refusal) -> str:
    told = ", ".join(part for part in (refusal.reason, refusal.field) if part)
    return f" ({told})" if told else ""


def _reached_the_vault(case: Case) -> bool:
    return case.caller not in REFUSED_BY_TLS and not case.timeout_ms and case.cancel_ms is None
