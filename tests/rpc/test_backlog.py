import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from tests.rpc.conftest import Recorded, Running
from vault.rpc.backlog import Backlog

LIST = "/vault.v1.ValidationService/ListPublicKeys"
CALLS = 40


@dataclass
class Bare:
    """A server whose call with a body holds its loop, and what it saw."""

    backlog: Backlog
    port: int = 0
    taken: int = 0
    seen: list[int] = field(default_factory=list)
    """How many calls waited when the held loop was let go on."""
    holds: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def answer(self, body: bytes, _context: object) -> bytes:
        """Answer a call, after ``go_on`` where it has a body."""
        self.taken += 1
        if body:
            self.holds.set()
            assert self.go_on.wait(240)  # so that calls pile up in gRPC
            self.seen.append(self.backlog.waiting(self.taken))
        return b""


@contextlib.asynccontextmanager
async def bare_server(most: int) -> AsyncIterator[Bare]:
    """Run a server whose queue holds at most ``most`` calls."""

    class Router(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(bare.answer)

    options = [
        ("grpc.enable_channelz", 1),
        ("grpc.server.max_pending_requests", most),
        ("grpc.server.max_pending_requests_hard_limit", most),
    ]
    server = grpc.aio.server(options=options)
    bare = Bare(Backlog(most))
    server.add_generic_rpc_handlers((Router(),))
    bare.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield bare
    finally:
        await server.stop(0)


async def ask_from_elsewhere(bare: Bare, came: Callable[[list[Any]], bool]) -> list[str]:
    """Hold the server with one call, send others until they ``came``, and return how all ended."""

    def ask() -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{bare.port}") as channel:
            stub: Any = channel.unary_unary("/any/Method")
            first = stub.future(b"block")
            try:
                assert bare.holds.wait(120)
                begun = [stub.future(b"") for _ in range(CALLS)]
                ends = time.monotonic() + 120
                while not came(begun) and time.monotonic() < ends:
                    time.sleep(0.01)
            finally:
                bare.go_on.set()
            return [call.code().name for call in [first, *begun]]

    return await asyncio.to_thread(ask)


async def test_calls_that_nobody_has_looked_at_are_counted() -> None:
    async with bare_server(most=1000) as bare:
        ends = await ask_from_elsewhere(bare, lambda _: bare.backlog.waiting(bare.taken) == CALLS)
        assert set(ends) == {"OK"}
        assert bare.seen == [CALLS]
        assert bare.backlog.waiting(bare.taken) == 0


async def test_calls_that_were_reset_do_not_count_as_waiting_for_ever() -> None:
    most = 10

    def reset(begun: list[Any]) -> bool:
        return len([call for call in begun if call.done()]) >= CALLS - most - 2

    async with bare_server(most) as bare:
        ends = await ask_from_elsewhere(bare, reset)
        assert ends.count("CANCELLED") in (CALLS - most - 1, CALLS - most - 2)  # gRPC hands one out ahead
        assert bare.seen == [most]
        bare.backlog.found_empty(bare.taken)
        assert bare.backlog.waiting(bare.taken) == 0


async def test_a_server_at_rest_has_nothing_waiting(running: Running, recorded: Recorded) -> None:
    async with running.channel() as channel:
        stub: Any = channel.unary_unary(LIST)
        await asyncio.gather(*(stub(b"") for _ in range(100)))
    async with asyncio.timeout(60):
        while running.server.load() != (0, 0, 0, 0):  # noqa: ASYNC110  the next look tells
            await asyncio.sleep(0.01)
    assert len(recorded.calls) == 100
