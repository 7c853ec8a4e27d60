import asyncio
import logging
import uuid
from typing import Any

import grpc
import pytest

from tests.rpc.conftest import DENIED, ROOT, SHOP, STRANGER, Recorded, Running
from vault import errors
from vault.errors import VaultError
from vault.policy.access import parse_access
from vault.rpc.contract import Method, methods
from vault.rpc.dispatch import Dispatch, MissingServicer
from vault.status import from_rpc_error
from vault.v1 import (
    administration_service_pb2,
    audit_service_pb2,
    card_service_pb2,
    issuance_service_pb2,
    resources_pb2,
    validation_service_pb2,
)

REQUEST_ID = uuid.uuid4()
CODE = "4000001234567899"


def asking(*programs: str) -> validation_service_pb2.ValidateCodeRequest:
    return validation_service_pb2.ValidateCodeRequest(programs=programs, code=resources_pb2.PresentedCode(code=CODE))


VALIDATE = "vault.v1.ValidationService/ValidateCode"
EXPORT = "vault.v1.IssuanceService/ExportBatch"


def unary_of(channel: grpc.aio.Channel, path: str) -> Any:
    return channel.unary_unary(f"/{path}")


def stream_of(channel: grpc.aio.Channel) -> Any:
    return channel.unary_stream(f"/{EXPORT}")


async def refusal(running: Running, client: Any, path: str, body: bytes) -> VaultError:
    """Return the error that a call with these bytes gets."""
    async with running.channel(client) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await unary_of(channel, path)(body)
    return from_rpc_error(caught.value)


async def ask(running: Running, client: Any, path: str, body: bytes) -> bytes:
    async with running.channel(client) as channel:
        answer: bytes = await unary_of(channel, path)(body)
    return answer


async def test_a_call_reaches_its_servicer_with_who_asked_and_what(running: Running, recorded: Recorded) -> None:
    request = card_service_pb2.CloseCardsRequest(
        program="netcash", request_id=str(REQUEST_ID), cards=[resources_pb2.CardSelector(card_id=str(uuid.uuid4()))]
    )
    assert await ask(running, ROOT, "vault.v1.CardService/CloseCards", request.SerializeToString()) == b""
    [(call, received)] = recorded.calls
    assert received == request
    assert (call.principal, call.method, call.request_id, call.body) == (
        ROOT,
        "vault.v1.CardService/CloseCards",
        REQUEST_ID.bytes,
        request.SerializeToString(),
    )
    assert call.programs == ("netcash",)
    assert call.correlation_id
    assert str(request.program) not in repr(call)
    assert not recorded.refusals


async def test_correlation_ids_differ(running: Running, recorded: Recorded) -> None:
    async with running.channel() as channel:
        stub = unary_of(channel, VALIDATE)
        await asyncio.gather(*(stub(asking("netcash").SerializeToString()) for _ in range(50)))
    assert len({call.correlation_id for call, _ in recorded.calls}) == 50


@pytest.mark.parametrize(("client", "reason"), [(STRANGER, "PRINCIPAL_UNKNOWN"), (DENIED, "PRINCIPAL_DENIED")])
async def test_unknown_and_denied_principals_are_refused_and_recorded(
    running: Running, recorded: Recorded, client: str, reason: str
) -> None:
    error = await refusal(running, client, VALIDATE, b"not a message")
    assert isinstance(error, errors.PermissionDenied)
    assert error.reason == reason
    [(call, recorded_error)] = recorded.refusals
    assert (call.principal, call.method, call.correlation_id) == (client, VALIDATE, error.metadata["correlation_id"])
    assert recorded_error.reason == reason
    assert not recorded.calls


async def test_a_certificate_that_names_nobody_is_unauthenticated(running: Running, recorded: Recorded) -> None:
    error = await refusal(running, running.authority.client(), VALIDATE, b"")
    assert isinstance(error, errors.Unauthenticated)
    assert not recorded.refusals


async def test_a_shop_may_call_only_what_a_validator_may(running: Running, recorded: Recorded, method: Method) -> None:
    if method.role.name == "VALIDATOR":
        error = await refusal(running, SHOP, method.full_name, b"\xff")
        assert error.reason == "MALFORMED" or method.any_program
        return
    error = await refusal(running, SHOP, method.full_name, b"\xff")
    assert isinstance(error, errors.PermissionDenied)
    assert (error.reason, error.metadata["role"]) == ("ROLE_MISSING", method.role.name.lower())
    assert len(recorded.refusals) == 1
    assert not recorded.calls


async def test_the_role_is_needed_for_the_requests_program(running: Running, recorded: Recorded) -> None:
    await ask(running, SHOP, VALIDATE, asking("netcash").SerializeToString())
    await ask(running, SHOP, VALIDATE, asking().SerializeToString())
    for programs in (["other"], ["netcash", "other"]):
        error = await refusal(running, SHOP, VALIDATE, asking(*programs).SerializeToString())
        assert error.reason == "ROLE_MISSING"
    assert len(recorded.calls) == 2


async def test_any_program_is_enough_where_the_contract_says_so(running: Running, recorded: Recorded) -> None:
    await ask(running, SHOP, "vault.v1.ValidationService/ListPublicKeys", b"")
    assert len(recorded.calls) == 1


async def test_no_program_in_the_request_takes_the_role_for_every_program() -> None:
    access = parse_access(b'[[principal]]\nname = "a"\nroles = { "netcash" = ["auditor"] }\n')
    [method] = [each for each in methods() if each.name == "ListAuditEvents"]
    check = vault_program_check(method)
    grants = access.grants("a")
    assert grants
    check(grants, audit_service_pb2.ListAuditEventsRequest(program="netcash"))
    with pytest.raises(errors.PermissionDenied):
        check(grants, audit_service_pb2.ListAuditEventsRequest())


def vault_program_check(method: Method) -> Any:
    from vault.rpc.dispatch import _program_check  # noqa: PLC0415  private, so named where it is used

    return _program_check(method)


async def test_a_request_without_any_program_field_takes_the_role_for_every_program() -> None:
    [method] = [each for each in methods() if each.name == "ListPrograms"]
    check = vault_program_check(method._replace(any_program=False))
    grants = parse_access(b'[[principal]]\nname = "a"\nroles = { "netcash" = ["operator"] }\n').grants("a")
    assert grants
    with pytest.raises(errors.PermissionDenied):
        check(grants, administration_service_pb2.ListProgramsRequest())


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x02\xff\xfe", b"\x0a\xff"])
async def test_bytes_that_do_not_parse_are_invalid_input(running: Running, recorded: Recorded, body: bytes) -> None:
    error = await refusal(running, ROOT, VALIDATE, body)
    assert isinstance(error, errors.InvalidInput)
    assert error.reason == "MALFORMED"
    assert not recorded.refusals


async def test_bounds_are_enforced_and_the_field_is_named(running: Running, recorded: Recorded) -> None:
    error = await refusal(running, ROOT, VALIDATE, asking("Not A Program").SerializeToString())
    assert isinstance(error, errors.InvalidInput)
    assert error.field == "programs[0]"
    assert "Not A Program" not in error.message
    assert not recorded.calls


@pytest.mark.parametrize(
    "raised",
    [
        errors.NotFound("no such card", reason="CARD_NOT_FOUND", metadata={"a": "b"}),
        errors.Conflict("changed"),
        errors.FailedPrecondition("stopped"),
        errors.IntegrityFailure("row"),
        errors.Throttled("slow down", retry_seconds=2.5),
        errors.AlreadyExists("taken"),
    ],
)
async def test_a_servicers_refusal_is_recorded_then_answered(
    running: Running, recorded: Recorded, raised: VaultError
) -> None:
    recorded.raises = raised
    error = await refusal(running, ROOT, VALIDATE, asking().SerializeToString())
    assert type(error) is type(raised)
    assert (error.message, error.reason, error.retry_seconds) == (raised.message, raised.reason, raised.retry_seconds)
    assert [answered for _, answered in recorded.refusals] == [raised]


@pytest.mark.parametrize("raised", [errors.InvalidInput("no", field="code"), errors.Unavailable("later")])
async def test_invalid_input_and_unavailable_are_not_recorded(
    running: Running, recorded: Recorded, raised: VaultError
) -> None:
    recorded.raises = raised
    error = await refusal(running, ROOT, VALIDATE, asking().SerializeToString())
    assert type(error) is type(raised)
    assert not recorded.refusals


async def test_the_unforeseen_is_internal_and_tells_nothing(
    running: Running, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    recorded.raises = KeyError(CODE)
    async with running.channel() as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await unary_of(channel, VALIDATE)(asking().SerializeToString())
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert CODE.encode() not in repr(caught.value).encode()
    [(_, recorded_error)] = recorded.refusals
    assert recorded_error.reason == "INTERNAL"
    assert [record.msg for record in caplog.records if record.levelno >= logging.ERROR] == ["call_failed"]
    correlation_id = from_rpc_error(caught.value).metadata["correlation_id"]
    assert vars(caplog.records[-1])["cardvault_fields"]["correlation_id"] == correlation_id


async def test_what_cannot_be_recorded_is_unavailable(running: Running, recorded: Recorded) -> None:
    recorded.hook_raises = RuntimeError("disk")
    error = await refusal(running, SHOP, "vault.v1.CardService/GetCard", b"")
    assert isinstance(error, errors.Unavailable)
    assert error.reason == "NOT_RECORDED"


async def test_a_stream_is_answered_part_by_part(running: Running, recorded: Recorded) -> None:
    request = issuance_service_pb2.ExportBatchRequest(program="netcash", batch_id=str(uuid.uuid4()))
    async with running.channel() as channel:
        parts = [part async for part in stream_of(channel)(request.SerializeToString())]
    assert parts == [b"", b"", b""]
    assert recorded.closed


async def test_a_stream_that_fails_midway_ends_with_its_status(running: Running, recorded: Recorded) -> None:
    recorded.raises = errors.FailedPrecondition("acknowledged")
    request = issuance_service_pb2.ExportBatchRequest(program="netcash", batch_id=str(uuid.uuid4()))
    async with running.channel() as channel:
        stream: Any = stream_of(channel)(request.SerializeToString())
        assert [await stream.read() for _ in range(3)] == [b"", b"", b""]
        with pytest.raises(grpc.RpcError) as caught:
            await stream.read()
    assert isinstance(from_rpc_error(caught.value), errors.FailedPrecondition)
    assert len(recorded.refusals) == 1


async def test_a_stream_that_its_caller_leaves_is_closed(running: Running, recorded: Recorded) -> None:
    recorded.parts = 1_000_000
    request = issuance_service_pb2.ExportBatchRequest(program="netcash", batch_id=str(uuid.uuid4()))
    async with running.channel() as channel:
        stream = stream_of(channel)(request.SerializeToString())
        await stream.read()
        stream.cancel()
        async with asyncio.timeout(60):
            while not recorded.closed:  # noqa: ASYNC110  the server tells nobody
                await asyncio.sleep(0.01)
    assert not recorded.refusals


async def test_a_stream_is_refused_like_any_call(running: Running) -> None:
    async with running.channel(SHOP) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await stream_of(channel)(b"").read()
    assert from_rpc_error(caught.value).reason == "ROLE_MISSING"


def test_a_missing_servicer_or_method_is_refused_when_the_server_is_built(recorded: Recorded) -> None:
    dispatch = Dispatch(lambda: parse_access(b""), recorded.on_refused)
    servicers = recorded.servicers()
    dispatch.handlers(methods(), servicers)
    with pytest.raises(MissingServicer, match=r"no service vault\.v1\.Nothing"):
        dispatch.handlers(methods(), {**servicers, "vault.v1.NothingService": object()})
    with pytest.raises(MissingServicer, match="CardService/GetCard"):
        dispatch.handlers(methods(), {**servicers, "vault.v1.CardService": object()})
    del servicers["vault.v1.AuditService"]
    with pytest.raises(MissingServicer, match="AuditService/ListAuditEvents"):
        dispatch.handlers(methods(), servicers)
