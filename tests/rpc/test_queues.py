"""What waits for a busy process: a flood of one method is reset, and holds up nobody else."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.rpc.authority import Authority
from tests.rpc.conftest import ROOT, Recorded, Running, serving
from vault.errors import Unavailable
from vault.rpc import aside
from vault.rpc.limits import ServingLimits
from vault.status import from_rpc_error
from vault.v1 import resources_pb2 as res
from vault.v1 import validation_service_pb2 as validation

LIST = "/vault.v1.ValidationService/ListPublicKeys"
STATUS = "/vault.v1.ValidationService/BatchGetCardStatus"
PROGRAMS = "/vault.v1.AdministrationService/ListPrograms"
HOLDS = "/vault.v1.IncidentService/ListHolds"
ASKED = validation.BatchGetCardStatusRequest(
    program="netcash", cards=[res.CardSelector(serial="A000000000000")]
).SerializeToString()
CALLS = 60
MOST = 8
OTHERS = 2  # as many of each kind, fewer than share a queue


class Blocking(Recorded):
    """Servicers of which one stops the whole event loop, once."""

    def __init__(self) -> None:
        super().__init__()
        self.holds = threading.Event()
        self.go_on = threading.Event()

    def servicers(self) -> dict[str, object]:
        made = super().servicers()

        async def block(*_: object) -> validation.ListPublicKeysResponse:
            self.holds.set()
            assert self.go_on.wait(240)  # so that calls pile up in gRPC
            return validation.ListPublicKeysResponse()

        made["vault.v1.ValidationService"].ListPublicKeys = block  # type: ignore[attr-defined]
        return made


def _flood(running: Running, blocking: Blocking) -> dict[str, list[str]]:
    """Call a blocked server from a thread of our own, and return how the calls ended."""
    pair = running.authority.client(ROOT)
    credentials = grpc.ssl_channel_credentials(running.authority.certificate, pair.private_key, pair.certificate)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
    with grpc.secure_channel(f"localhost:{running.port}", credentials, options=options) as channel:
        grpc.channel_ready_future(channel).result(120)
        paths = (LIST, PROGRAMS, HOLDS, "/grpc.health.v1.Health/Check", STATUS)
        stubs: list[Any] = [channel.unary_unary(path) for path in paths]
        flooded, programs, holds, check, status = stubs
        first = flooded.future(b"")
        assert blocking.holds.wait(120)
        flood = [flooded.future(b"") for _ in range(CALLS)]
        others = {
            "health": [check.future(b"") for _ in range(OTHERS)],
            "programs": [programs.future(b"") for _ in range(OTHERS)],
            "status": [status.future(ASKED) for _ in range(OTHERS)],
            "holds": [holds.future(b"\x0a\x07netcash") for _ in range(OTHERS)],
        }
        deadline = time.monotonic() + 120
        while sum(call.done() for call in flood) < CALLS - MOST - 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        blocking.go_on.set()
        ends = {name: [call.code().name for call in calls] for name, calls in others.items()}
        return {"flood": [call.code().name for call in [first, *flood]], **ends}


async def test_a_flood_of_validations_is_reset_and_holds_up_neither_officers_nor_health(
    tmp_path: Path, authority: Authority
) -> None:
    blocking = Blocking()
    async with serving(tmp_path, authority, blocking, ServingLimits(waiting_calls=MOST, queue_ms=10_000)) as running:
        ends = await asyncio.to_thread(_flood, running, blocking)
    assert ends["flood"].count("CANCELLED") >= CALLS - MOST - 2
    assert ends["flood"].count("OK") >= MOST * 3 // 4
    assert ends["health"] == ends["programs"] == ends["holds"] == ends["status"] == ["OK"] * OTHERS


async def test_watchers_of_health_are_bounded_and_checks_are_not(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "MOST_STREAMS", 2)
    async with running.channel() as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watches = [health.Watch(health_pb2.HealthCheckRequest()) for _ in range(2)]
        for watch in watches:
            assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health.Watch(health_pb2.HealthCheckRequest()).read()
        error = from_rpc_error(caught.value)
        assert (type(error), error.reason) == (Unavailable, "OVERLOADED")
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        watches[0].cancel()
        async with asyncio.timeout(60):
            while True:
                again = health.Watch(health_pb2.HealthCheckRequest())
                try:
                    await again.read()
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.02)
        for watch in (watches[1], again):
            watch.cancel()


async def test_a_method_that_does_not_exist_is_told_so(running: Running) -> None:
    async with running.channel() as channel:
        for path in ("/vault.v1.ValidationService/Guess", "/vault.v1.CardService/Guess", "/nobody.Nothing/Guess"):
            stub: Any = channel.unary_unary(path)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub(b"")
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
