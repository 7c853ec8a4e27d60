"""What a server takes from one caller or many, and how it says that it is enough."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.rpc.authority import Authority
from tests.rpc.conftest import ROOT, SHOP, STRANGER, Recorded, Running, serving
from vault import errors
from vault.rpc import intake, limits
from vault.rpc.limits import MOST_METADATA_BYTES, ServingLimits, raise_open_files
from vault.rpc.sizes import largest_request
from vault.status import from_rpc_error
from vault.v1 import validation_service_pb2 as pb

LIST = "/vault.v1.ValidationService/ListPublicKeys"
VALIDATE = "/vault.v1.ValidationService/ValidateCode"
WATCH = "/vault.v1.RotationService/WatchRotationJob"
ISSUE = "/vault.v1.IssuanceService/IssueCards"


@pytest.fixture(autouse=True)
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's body is given up but by the test itself."""
    monkeypatch.setattr(intake, "BODY_SECONDS", 3600.0)


class Slow:
    """A servicer method that answers when it may."""

    def __init__(self) -> None:
        self.inside = 0
        self.go = asyncio.Event()

    async def __call__(self, *_: object) -> pb.ListPublicKeysResponse:
        self.inside += 1
        try:
            await self.go.wait()
        finally:
            self.inside -= 1
        return pb.ListPublicKeysResponse()

    async def filled(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.inside < count:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)


class Sluggish(Recorded):
    """Servicers of which one answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = Slow()

    def servicers(self) -> dict[str, object]:
        made = super().servicers()
        made["vault.v1.ValidationService"].ListPublicKeys = self.slow  # type: ignore[attr-defined]
        return made


async def failure(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def listed(channel: grpc.aio.Channel) -> bytes:
    """Ask ListPublicKeys."""
    stub: Any = channel.unary_unary(LIST)
    answer: bytes = await stub(b"", timeout=60)
    return answer


async def test_calls_above_the_bound_are_shed_and_told_when_to_come_again(tmp_path: Path, authority: Authority) -> None:
    recorded = Sluggish()
    async with (
        serving(tmp_path, authority, recorded, ServingLimits(calls_in_flight=16, queue_ms=10_000)) as running,
        running.channel() as channel,
    ):
        stub: Any = channel.unary_unary(LIST)
        inside = [asyncio.ensure_future(stub(b"")) for _ in range(16)]
        await recorded.slow.filled(16)
        error = await failure(stub(b""))
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        trailing = dict(error.trailing_metadata() or ())
        assert trailing["grpc-retry-pushback-ms"] == "250"
        details = status_pb2.Status.FromString(trailing["grpc-status-details-bin"]).details
        info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
        assert [each.Unpack(info) or each.Unpack(retry) for each in details] == [True, True]
        assert (info.reason, retry.retry_delay.ToMilliseconds()) == ("OVERLOADED", 250)
        assert info.metadata["correlation_id"]
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        recorded.slow.go.set()
        await asyncio.gather(*inside)
        assert await stub(b"") == b""
        assert running.server.load().shed == 1
    assert recorded.refusals == [], "an overload is no refusal to be audited"


async def test_streams_above_the_bound_are_shed_and_calls_go_on(tmp_path: Path, authority: Authority) -> None:
    recorded = Recorded()
    recorded.parts = 10**9
    async with (
        serving(tmp_path, authority, recorded, ServingLimits(open_streams=2, queue_ms=10_000)) as running,
        running.channel() as channel,
    ):
        body = b"\x12\x2412345678-1234-1234-1234-123456789012"
        watch: Any = channel.unary_stream(WATCH)
        streams: list[Any] = [watch(body) for _ in range(2)]
        assert [await stream.read() for stream in streams] == [b"", b""]
        assert from_rpc_error(await failure(watch(body).read())).reason == "OVERLOADED"
        assert await listed(channel) == b""
        streams[0].cancel()
        async with asyncio.timeout(60):
            while running.server.load().streams == 2:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)
        fourth = watch(body)
        assert await fourth.read() == b""
        for stream in (streams[1], fourth):
            stream.cancel()


async def test_what_has_too_little_time_left_is_not_begun(
    tmp_path: Path, authority: Authority, recorded: Recorded
) -> None:
    async with (
        serving(tmp_path, authority, recorded, ServingLimits(least_deadline_ms=60_000, queue_ms=10_000)) as running,
        running.channel() as channel,
    ):
        stub: Any = channel.unary_unary(LIST)
        error = from_rpc_error(await failure(stub(b"", timeout=30)))
        assert isinstance(error, errors.Unavailable)
        assert error.reason == "DEADLINE_TOO_SHORT"
        assert recorded.calls == []
        assert await stub(b"", timeout=600) == b""
        assert await stub(b"") == b""
    assert len(recorded.calls) == 2


async def test_a_body_above_the_methods_largest_is_refused_unparsed(running: Running, recorded: Recorded) -> None:
    largest = largest_request(pb.ValidateCodeRequest)
    async with running.channel() as channel:
        stub: Any = channel.unary_unary(VALIDATE)
        error = from_rpc_error(await failure(stub(bytes(largest + 1))))
        assert isinstance(error, errors.InvalidInput)
        assert error.reason == "REQUEST_TOO_LARGE"
        error = from_rpc_error(await failure(stub(bytes(largest))))
        assert error.reason == "MALFORMED"
    assert recorded.calls == []


async def test_a_caller_without_the_role_is_refused_before_his_body_has_come(running: Running) -> None:
    async with running.channel(SHOP) as channel:
        call: Any = channel.stream_unary(ISSUE)()
        assert from_rpc_error(await failure(call)).reason == "ROLE_MISSING"


async def test_a_body_that_does_not_come_is_given_up(running: Running) -> None:
    async with running.channel() as channel:
        call: Any = channel.stream_unary(VALIDATE)()
        async with asyncio.timeout(60):
            while not running.server._intake._small:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)
        running.server._intake.sweep()
        assert not call.done(), "whoever has just begun has time until the next sweep"
        running.server._intake.sweep()
        error = from_rpc_error(await failure(call))
        assert (type(error), error.reason) == (errors.Unavailable, "REQUEST_STALLED")
        async with asyncio.timeout(60):
            while running.server.load().calls:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.005)
        assert await listed(channel) == b""


async def test_a_caller_who_sends_no_body_takes_nobodys_place(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_READERS", 4)
    async with running.channel() as idle, running.channel() as busy:
        calls: list[Any] = [idle.stream_unary(VALIDATE)() for _ in range(6)]
        ends = [asyncio.ensure_future(failure(call)) for call in calls]
        stub: Any = busy.unary_unary(LIST)
        for gone in (2, 3):
            async with asyncio.timeout(60):
                while sum(end.done() for end in ends) < gone:  # noqa: ASYNC110  nobody tells
                    await asyncio.sleep(0.005)
            assert await stub(b"") == b""
        for _ in range(10):
            assert await stub(b"") == b""
        done = [end for end in ends if end.done()]
        assert len(done) == 3, "two gave way to others like them, one to the call"
        assert {from_rpc_error(end.result()).reason for end in done} == {"REQUEST_STALLED"}
        for call in calls:
            call.cancel()
        await asyncio.wait(ends)


async def test_only_so_many_large_bodies_are_on_their_way_at_once(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MOST_LARGE_READERS", 2)
    async with running.channel() as channel:
        calls: list[Any] = [channel.stream_unary(ISSUE)() for _ in range(3)]
        ends = [asyncio.ensure_future(failure(call)) for call in calls]
        done, waiting = await asyncio.wait(ends, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert [from_rpc_error(each.result()).reason for each in done] == ["OVERLOADED"]
        assert await listed(channel) == b""
        for call in calls:
            call.cancel()
        await asyncio.wait(waiting)


async def test_a_call_that_ends_without_a_request_is_refused(running: Running) -> None:
    async with running.channel() as channel:
        call: Any = channel.stream_unary(VALIDATE)()
        await call.done_writing()
        assert from_rpc_error(await failure(call)).reason == "MALFORMED"


async def test_metadata_above_the_bound_is_refused_and_the_connection_goes_on(running: Running) -> None:
    async with running.channel() as channel:
        stub: Any = channel.unary_unary(LIST)
        error = await failure(stub(b"", metadata=[("x-large", "x" * MOST_METADATA_BYTES)]))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert isinstance(from_rpc_error(error), errors.Throttled)
        assert await stub(b"", metadata=[("x-large", "x" * (MOST_METADATA_BYTES - 2048))]) == b""


async def test_connections_above_the_bound_are_closed_and_those_open_go_on(
    tmp_path: Path, authority: Authority, recorded: Recorded
) -> None:
    bounds = ServingLimits(connections=2, queue_ms=10_000)
    async with (
        serving(tmp_path, authority, recorded, bounds) as running,
        running.channel() as first,
        running.channel(STRANGER) as second,
    ):
        await asyncio.wait_for(asyncio.gather(first.channel_ready(), second.channel_ready()), 60)
        async with running.channel() as third:
            error = await failure(listed(third))
            assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert await listed(first) == b""


async def test_a_connection_ends_with_its_age_and_its_calls_finish_first(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MINUTE_MS", 300)
    recorded = Sluggish()
    async with (
        serving(tmp_path, authority, recorded, ServingLimits(connection_minutes=1, queue_ms=10_000)) as running,
        running.channel() as channel,
    ):
        slow: Any = asyncio.ensure_future(listed(channel))
        await recorded.slow.filled(1)
        async with asyncio.timeout(60):
            while channel.get_state() is grpc.ChannelConnectivity.READY:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)
        answered: Any = channel.unary_unary("/vault.v1.AdministrationService/ListPrograms")
        assert await answered(b"") == b"", "new calls take a new connection"
        assert not slow.done()
        recorded.slow.go.set()
        assert await slow == b""


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, hard), hard))
        assert raise_open_files() == hard
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_the_callers_role_is_asked_before_anything_is_read(running: Running, recorded: Recorded) -> None:
    async with running.channel(STRANGER) as channel:
        stub: Any = channel.unary_unary(ISSUE)
        error = from_rpc_error(await failure(stub(bytes(1024 * 1024))))
    assert error.reason == "PRINCIPAL_UNKNOWN"
    [(call, _)] = recorded.refusals
    assert (call.principal, call.body) == (STRANGER, b"")
    assert call.principal != ROOT
