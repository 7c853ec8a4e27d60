import asyncio
import socket
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.rpc.conftest import STRANGER, Recorded, Running, tls_files
from vault.errors import Unavailable
from vault.policy.access import parse_access
from vault.rpc.contract import SERVICES
from vault.rpc.server import Server
from vault.v1 import validation_service_pb2 as pb
from vault.v1.validation_service_pb2_grpc import ValidationServiceStub

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def test_health_answers_who_has_a_certificate_and_no_role(running: Running) -> None:
    async with running.channel(STRANGER) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", *(service.full_name for service in SERVICES)):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == SERVING


async def test_reflection_lists_every_service(running: Running) -> None:
    async with running.channel(STRANGER) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services="*"))
        answer = await call.read()
        await call.done_writing()
    assert {each.name for each in answer.list_services_response.service} >= {each.full_name for each in SERVICES}


async def test_draining_says_so_first_and_lets_calls_finish(running: Running, recorded: Recorded) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> pb.ListPublicKeysResponse:
        entered.set()
        await go.wait()
        return pb.ListPublicKeysResponse()

    servicers = recorded.servicers()
    servicers["vault.v1.ValidationService"].ListPublicKeys = slow  # type: ignore[attr-defined]
    access = parse_access(b'[[principal]]\nname = "spiffe://test/root"\nroles = { "*" = ["validator"] }\n')
    server = Server(servicers, lambda: access, recorded.on_refused, tls_files(running.folder))
    running.port = await server.start("127.0.0.1:0")
    async with running.channel() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        call = asyncio.ensure_future(ValidationServiceStub(channel).ListPublicKeys(pb.ListPublicKeysRequest()))
        await entered.wait()
        draining = asyncio.create_task(server.drain(120))
        assert (await watch.read()).status == NOT_SERVING
        assert not draining.done()
        go.set()
        assert await call == pb.ListPublicKeysResponse()
        watch.cancel()
        await draining
    await server.wait()


async def test_two_servers_share_a_port(running: Running, recorded: Recorded) -> None:
    access = parse_access(b"")
    other = Server(recorded.servicers(), lambda: access, recorded.on_refused, tls_files(running.folder))
    assert await other.start(f"127.0.0.1:{running.port}") == running.port
    await other.drain(0)


async def test_an_address_that_is_taken_is_told(running: Running, recorded: Recorded) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = Server(recorded.servicers(), lambda: parse_access(b""), recorded.on_refused, tls_files(running.folder))
        with pytest.raises(Unavailable, match="cannot be listened on"):
            await other.start(f"127.0.0.1:{taken.getsockname()[1]}")


async def test_a_request_above_the_limit_is_refused_and_the_server_goes_on(running: Running) -> None:
    async with running.channel() as channel:
        ask: Any = channel.unary_unary("/vault.v1.ValidationService/ValidateCode")
        with pytest.raises(grpc.RpcError) as caught:
            await ask(bytes(69 * 1024 * 1024))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        await ValidationServiceStub(channel).ListPublicKeys(pb.ListPublicKeysRequest())
