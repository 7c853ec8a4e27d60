"""What may be sent twice, and how long to wait before it is."""

import itertools
from uuid import UUID

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from vault.client.retry import (
    FIRST_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    Backoff,
    fill_request_id,
    is_repeatable,
    may_help,
)
from vault.errors import NotFound, Throttled, Unavailable, VaultError
from vault.v1 import (
    activation_service_pb2,
    administration_service_pb2,
    audit_service_pb2,
    card_service_pb2,
    issuance_service_pb2,
    validation_service_pb2,
)
from vault.v1.resources_pb2 import PresentedCode

FILES: list[FileDescriptor] = [
    module.DESCRIPTOR
    for module in (
        activation_service_pb2,
        administration_service_pb2,
        audit_service_pb2,
        card_service_pb2,
        issuance_service_pb2,
        validation_service_pb2,
    )
]
READS = {
    *(
        "BatchGetCardStatus",
        "BatchValidateCodes",
        "ExportBatch",
        "GetBatch",
        "GetCard",
        "GetProgram",
        "GetRecord",
    ),
    *("ListAuditEvents", "ListBatches", "ListCards", "ListPrograms", "ListPublicKeys", "ListRecipients"),
    "ValidateCode",
}


def every_request() -> list[Message]:
    services = itertools.chain.from_iterable(file.services_by_name.values() for file in FILES)
    return [GetMessageClass(method.input_type)() for service in services for method in service.methods]


def test_only_reads_are_repeatable_without_a_request_id() -> None:
    repeatable = {
        type(request).__name__.removesuffix("Request") for request in every_request() if is_repeatable(request)
    }
    assert repeatable == READS


@pytest.mark.parametrize("request_", every_request(), ids=lambda request: type(request).__name__)
def test_every_request_is_repeatable_once_its_request_id_is_filled(request_: Message) -> None:
    fill_request_id(request_)
    assert is_repeatable(request_)


CLEAR = PresentedCode(code="4000001234567899")
SEALED = PresentedCode(sealed=bytes(565))
VALIDATE, BATCH = validation_service_pb2.ValidateCodeRequest, validation_service_pb2.BatchValidateCodesRequest


@pytest.mark.parametrize("request_", [VALIDATE(code=CLEAR), BATCH(codes=[CLEAR] * 3), VALIDATE(), BATCH()])
def test_asking_after_codes_in_clear_is_repeatable_and_carries_no_request_id(request_: Message) -> None:
    before = request_.ByteSize()
    fill_request_id(request_)
    assert request_.ByteSize() == before
    assert is_repeatable(request_)


@pytest.mark.parametrize(
    "request_", [VALIDATE(code=SEALED), BATCH(codes=[SEALED]), BATCH(codes=[CLEAR, SEALED, CLEAR])], ids=type
)
def test_asking_after_a_sealed_code_is_repeatable_only_under_a_request_id(
    request_: validation_service_pb2.ValidateCodeRequest,
) -> None:
    assert not is_repeatable(request_)
    fill_request_id(request_)
    assert UUID(request_.request_id).version == 4
    assert is_repeatable(request_)


def test_a_request_id_that_the_caller_gave_is_kept() -> None:
    given = "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
    request = validation_service_pb2.RedeemCodeRequest(request_id=given)
    fill_request_id(request)
    assert request.request_id == given


def test_waits_grow_to_a_ceiling_and_are_never_shorter_than_asked() -> None:
    backoff = Backoff(random=lambda: 1.0)
    waits = [backoff.next_wait_seconds(None) for _ in range(10)]
    assert waits[:3] == [FIRST_WAIT_SECONDS, 2 * FIRST_WAIT_SECONDS, 4 * FIRST_WAIT_SECONDS]
    assert waits[-1] == LONGEST_WAIT_SECONDS
    assert Backoff(random=lambda: 0.0).next_wait_seconds(3.0) == 3.0


@pytest.mark.parametrize(
    ("error", "helps"),
    [
        (Unavailable("away"), True),
        (Unavailable("broken", reason="INTERNAL"), False),
        (NotFound("none"), False),
        (Throttled("later", retry_seconds=1.0), False),
    ],
)
def test_only_what_was_unavailable_is_tried_again(error: VaultError, helps: bool) -> None:
    assert may_help(error) is helps
