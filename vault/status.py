"""The one table between the vault's errors and gRPC's statuses, both ways.

1. Every status carries google.rpc details: ErrorInfo always, BadRequest where a field is at fault, RetryInfo
   where trying again may help; then gRPC's own retries are told as well, by ``grpc-retry-pushback-ms`` (gRFC A6).
2. Whatever is not a ``VaultError`` becomes INTERNAL, of which only the correlation id is told.
3. What a client gets back from ``from_rpc_error`` has the class, reason, field, metadata and retry of the error
   that the server raised; a call whose outcome is not known is ``Unavailable``.

The mapping of kinds follows google.rpc.Code; that of details AIP-193.
"""

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from vault.errors import (
    AlreadyExists,
    Conflict,
    FailedPrecondition,
    IntegrityFailure,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Throttled,
    Unauthenticated,
    Unavailable,
    VaultError,
)

DOMAIN = "cardvault"
CORRELATION_ID = "correlation_id"
_DETAILS_KEY = "grpc-status-details-bin"
_PUSHBACK_KEY = "grpc-retry-pushback-ms"

_CODES: dict[type[VaultError], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    Conflict: grpc.StatusCode.ABORTED,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    Throttled: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    IntegrityFailure: grpc.StatusCode.DATA_LOSS,
}

# The reason is what a client is told when the server, or gRPC in its place, sent no details of ours.
_KINDS: dict[grpc.StatusCode, tuple[type[VaultError], str]] = {
    **{code: (kind, kind.default_reason) for kind, code in _CODES.items()},
    grpc.StatusCode.OUT_OF_RANGE: (InvalidInput, "OUT_OF_RANGE"),
    grpc.StatusCode.UNIMPLEMENTED: (FailedPrecondition, "UNIMPLEMENTED"),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Unavailable, "DEADLINE_EXCEEDED"),
    grpc.StatusCode.CANCELLED: (Unavailable, "CANCELLED"),
    grpc.StatusCode.INTERNAL: (Unavailable, "INTERNAL"),
}
_DETAILS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
}
_OUTCOME_UNKNOWN = (Unavailable, "OUTCOME_UNKNOWN")


def internal_error() -> VaultError:
    """Return the error that stands for whatever the vault did not foresee."""
    return VaultError("internal error", reason="INTERNAL")


def code_of(error: BaseException) -> grpc.StatusCode:
    """Return the status code of an error; INTERNAL for what is not one of the kinds in ``vault.errors``."""
    return _CODES.get(type(error), grpc.StatusCode.INTERNAL)  # type: ignore[arg-type]


def to_status(error: BaseException, correlation_id: str) -> grpc.Status:
    """Return the status, with details, that tells a caller of an error.

    Args:
        error: What was raised.
        correlation_id: Names the call in logs; told in ErrorInfo's metadata.
    """
    code = code_of(error)
    shown = error if isinstance(error, VaultError) and code is not grpc.StatusCode.INTERNAL else internal_error()
    status = status_pb2.Status(code=code.value[0], message=shown.message)
    metadata = {**shown.metadata, CORRELATION_ID: correlation_id}
    _add(status, error_details_pb2.ErrorInfo(reason=shown.reason, domain=DOMAIN, metadata=metadata))
    if shown.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=shown.field, description=shown.message)
        _add(status, error_details_pb2.BadRequest(field_violations=[violation]))
    if shown.retry_seconds is None:
        answered: grpc.Status = rpc_status.to_status(status)
        return answered
    delay = Duration()
    delay.FromNanoseconds(round(shown.retry_seconds * 1e9))
    _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return _pushing_back(rpc_status.to_status(status), shown.retry_seconds)


def from_rpc_error(error: grpc.RpcError) -> VaultError:
    """Return the vault's error for a call that failed, rebuilt from the details that the server sent.

    Args:
        error: What ``grpc`` or ``grpc.aio`` raised; it must also be a call, as theirs are.
    """
    call: Any = error
    kind, reason = _KINDS.get(call.code(), _OUTCOME_UNKNOWN)
    info, field, retry_seconds = None, "", None
    for detail in _details(call.trailing_metadata() or ()):
        if isinstance(detail, error_details_pb2.ErrorInfo) and detail.domain == DOMAIN:
            info = detail
        elif isinstance(detail, error_details_pb2.BadRequest) and detail.field_violations:
            field = detail.field_violations[0].field
        elif isinstance(detail, error_details_pb2.RetryInfo):
            retry_seconds = detail.retry_delay.ToNanoseconds() / 1e9
    return kind(
        call.details() or reason,
        reason=info.reason if info else reason,
        field=field,
        metadata=dict(info.metadata) if info else None,
        retry_seconds=retry_seconds,
    )


def _pushing_back(answered: Any, seconds: float) -> grpc.Status:
    trailing = (*answered.trailing_metadata, (_PUSHBACK_KEY, str(round(seconds * 1000))))
    pushing: grpc.Status = answered._replace(trailing_metadata=trailing)
    return pushing


def _add(status: Any, detail: Message) -> None:
    status.details.add().Pack(detail)


def _details(trailing_metadata: Iterable[tuple[str, str | bytes]]) -> list[Message]:
    received = next((value for key, value in trailing_metadata if key == _DETAILS_KEY), b"")
    try:
        packed = status_pb2.Status.FromString(received).details
        known = ((detail, _DETAILS.get(detail.TypeName())) for detail in packed)
        return [kind.FromString(detail.value) for detail, kind in known if kind]
    except DecodeError:
        return []  # not what this server sends; the code alone still tells the kind
