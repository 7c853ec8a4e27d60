from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import code_pb2, error_details_pb2, status_pb2

from vault import errors
from vault.errors import VaultError
from vault.status import code_of, from_rpc_error, internal_error, to_status

KINDS = VaultError.__subclasses__()
KEY = "grpc-status-details-bin"


class Failed(grpc.RpcError):
    """A failed call as grpc's own are: an error with the call's methods."""

    def __init__(self, code: grpc.StatusCode, details: str | None = "", metadata: Any = ()) -> None:
        super().__init__()
        self._answers = (code, details, metadata)

    def code(self) -> grpc.StatusCode:
        return self._answers[0]

    def details(self) -> str | None:
        return self._answers[1]

    def trailing_metadata(self) -> Any:
        return self._answers[2]


def back(status: Any) -> VaultError:
    return from_rpc_error(Failed(status.code, status.details, status.trailing_metadata))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", ["", "cards[3].serial"])
@pytest.mark.parametrize("retry_seconds", [None, 0.0, 1.25])
def test_every_kind_comes_back_as_it_went(kind: type[VaultError], field: str, retry_seconds: float | None) -> None:
    sent = kind("a sentence", reason="A_REASON", field=field, metadata={"count": "7"}, retry_seconds=retry_seconds)
    got = back(to_status(sent, "id-1"))
    assert type(got) is kind
    assert (got.message, got.reason, got.field) == ("a sentence", "A_REASON", field)
    assert got.retry_seconds == retry_seconds
    assert got.metadata == {"count": "7", "correlation_id": "id-1"}


def test_kinds_have_the_statuses_of_the_design() -> None:
    assert {kind.__name__: code_of(kind("x")).name for kind in KINDS} == {
        "InvalidInput": "INVALID_ARGUMENT",
        "Unauthenticated": "UNAUTHENTICATED",
        "PermissionDenied": "PERMISSION_DENIED",
        "NotFound": "NOT_FOUND",
        "AlreadyExists": "ALREADY_EXISTS",
        "Conflict": "ABORTED",
        "FailedPrecondition": "FAILED_PRECONDITION",
        "Throttled": "RESOURCE_EXHAUSTED",
        "Unavailable": "UNAVAILABLE",
        "IntegrityFailure": "DATA_LOSS",
    }


@pytest.mark.parametrize("error", [KeyError("secret"), internal_error(), VaultError("secret", reason="SECRET")])
def test_anything_else_is_internal_and_tells_only_the_correlation_id(error: Exception) -> None:
    status = to_status(error, "id-1")
    assert (status.code, status.details) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "secret" not in repr(status).lower()
    got = back(status)
    assert type(got) is errors.Unavailable
    assert (got.reason, got.metadata) == ("INTERNAL", {"correlation_id": "id-1"})


def test_the_status_carries_the_same_code_and_details() -> None:
    status: Any = to_status(errors.NotFound("x"), "id-1")
    [(key, value)] = status.trailing_metadata
    parsed = status_pb2.Status.FromString(value)
    assert (key, parsed.code, parsed.message) == (KEY, code_pb2.NOT_FOUND, "x")
    assert [detail.TypeName() for detail in parsed.details] == ["google.rpc.ErrorInfo"]


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.Unavailable, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.CANCELLED, errors.Unavailable, "CANCELLED"),
        (grpc.StatusCode.UNKNOWN, errors.Unavailable, "OUTCOME_UNKNOWN"),
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable, "UNAVAILABLE"),
        (grpc.StatusCode.INTERNAL, errors.Unavailable, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, errors.FailedPrecondition, "UNIMPLEMENTED"),
        (grpc.StatusCode.OUT_OF_RANGE, errors.InvalidInput, "OUT_OF_RANGE"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.Throttled, "THROTTLED"),
    ],
)
def test_without_details_the_code_tells_the_kind(code: grpc.StatusCode, kind: type, reason: str) -> None:
    for metadata in (None, (), (("other", "x"),)):
        got = from_rpc_error(Failed(code, None, metadata))
        assert (type(got), got.reason, got.message, got.metadata) == (kind, reason, reason, {})


def test_every_code_of_grpc_has_a_kind() -> None:
    assert all(type(from_rpc_error(Failed(code))) in KINDS for code in grpc.StatusCode)


def details(*messages: Any) -> Any:
    status = status_pb2.Status(code=5)
    for message in messages:
        if isinstance(message, Packed):
            status.details.append(message)
        else:
            status.details.add().Pack(message)
    return ((KEY, status.SerializeToString()),)


@pytest.mark.parametrize(
    "metadata",
    [
        ((KEY, b"\xff"),),
        details(error_details_pb2.ErrorInfo(reason="X", domain="elsewhere")),
        details(error_details_pb2.BadRequest()),
        details(error_details_pb2.Help()),
        details(Packed(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")),
    ],
)
def test_details_that_are_not_ours_are_passed_over(metadata: Any) -> None:
    got = from_rpc_error(Failed(grpc.StatusCode.NOT_FOUND, "gone", metadata))
    assert (type(got), got.reason, got.field, got.message) == (errors.NotFound, "NOT_FOUND", "", "gone")
