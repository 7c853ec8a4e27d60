import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from tests.rpc.conftest import Recorded, Running
from vault.rpc.backlog import Backlog

LIST = "/vault.v1.ValidationService/ListPublicKeys"
CALLS = 40


@contextlib.asynccontextmanager
async def bare_server(most: int) -> AsyncIterator[tuple[Backlog, int, list[int], Callable[[], int]]]:
    """Run a server whose first call notes, after a while, how many calls wait."""
    seen: list[int] = []
    taken = 0

    async def answer(body: bytes, _context: object) -> bytes:
        nonlocal taken
        taken += 1
        if body:
            time.sleep(0.5)  # noqa: ASYNC251  so that calls pile up in gRPC
            seen.append(backlog.waiting(taken))
        return b""

    class Router(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return grpc.unary_unary_rpc_method_handler(answer)

    options = [
        ("grpc.enable_channelz", 1),
        ("grpc.server.max_pending_requests", most),
        ("grpc.server.max_pending_requests_hard_limit", most),
    ]
    server = grpc.aio.server(options=options)
    backlog = Backlog(most)
    server.add_generic_rpc_handlers((Router(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield backlog, port, seen, lambda: taken
    finally:
        await server.stop(0)


async def ask_from_elsewhere(port: int, calls: int) -> list[str]:
    """Have another thread send one blocking call and then others, and return how they ended."""

    def ask() -> list[str]:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            grpc.channel_ready_future(channel).result(10)
            stub: Any = channel.unary_unary("/any/Method")
            first = stub.future(b"block")
            time.sleep(0.1)
            begun = [stub.future(b"") for _ in range(calls)]
            return [call.code().name for call in [first, *begun]]

    return await asyncio.to_thread(ask)


async def test_calls_that_nobody_has_looked_at_are_counted() -> None:
    async with bare_server(most=1000) as (backlog, port, seen, taken):
        ends = await ask_from_elsewhere(port, CALLS)
        assert set(ends) == {"OK"}
        assert seen[0] in (CALLS - 1, CALLS)  # gRPC hands one out ahead
        assert backlog.waiting(taken()) == 0


async def test_calls_that_were_reset_do_not_count_as_waiting_for_ever() -> None:
    most = 10
    async with bare_server(most) as (backlog, port, seen, taken):
        ends = await ask_from_elsewhere(port, CALLS)
        assert ends.count("CANCELLED") in (CALLS - most - 1, CALLS - most - 2)  # the same one
        assert seen == [most]
        backlog.found_empty(taken())
        assert backlog.waiting(taken()) == 0


async def test_a_server_at_rest_has_nothing_waiting(running: Running, recorded: Recorded) -> None:
    async with running.channel() as channel:
        stub: Any = channel.unary_unary(LIST)
        await asyncio.gather(*(stub(b"") for _ in range(100)))
    async with asyncio.timeout(5):
        while running.server.load() != (0, 0, 0, 0):  # noqa: ASYNC110  the next look tells
            await asyncio.sleep(0.01)
    assert len(recorded.calls) == 100
