"""A client process that offers calls at a steady rate, answered or not: ``python -m bench.offered FILE``.

The file holds an ``Offer`` as JSON. The process connects, says ``ready``, waits for a line, then sends a call whenever
one is due until it reads another line. It writes one JSON object: wrong answers, and for each call when it was due (by
the machine's monotonic clock, in seconds) and how long after that it was answered, in microseconds. So a call that is
sent late since the client was held up counts as a slow one.

Nothing is parsed: a request is bytes made in advance, an answer is compared with the bytes that are right.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
import gc
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grpc.aio

from bench.pairs import Pair, read_pairs
from vault.client.channel import VaultClient, connect

CALL_SECONDS = 30.0
"""Deadline of one call, and of connecting."""


class Offer(NamedTuple):
    """What a client process is to do: calls a second over its connections, ``wait_seconds`` after it was told to."""

    address: str
    certificates: str
    caller: str
    method: str
    pairs: str
    first: int
    connections: int
    rate: float
    wait_seconds: float


class _Seen:
    """What was seen."""

    def __init__(self) -> None:
        self.wrong = 0
        self.calls: list[tuple[float, int]] = []


async def _work(offer: Offer) -> _Seen:
    pairs = read_pairs(Path(offer.pairs))
    clients = [_client(offer) for _ in range(offer.connections)]
    asks: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
        client.channel.unary_unary(offer.method) for client in clients
    ]
    seen = _Seen()
    try:
        connecting = asyncio.gather(*(client.channel.channel_ready() for client in clients))
        await asyncio.wait_for(connecting, CALL_SECONDS)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        turn = itertools.islice(itertools.cycle(pairs), offer.first, None)
        await _offer(offer, asks, turn, seen, ended)
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return seen


async def _offer(
    offer: Offer,
    asks: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]],
    turn: Iterator[Pair],
    seen: _Seen,
    ended: asyncio.Task[str],
) -> None:
    now = asyncio.get_running_loop().time
    start = now() + offer.wait_seconds
    async with asyncio.TaskGroup() as group:
        for number in itertools.count():
            due = start + number / offer.rate
            if (wait := due - now()) > 0:
                await asyncio.sleep(wait)
            if ended.done():
                break
            group.create_task(_ask(asks[number % len(asks)], next(turn), due, seen))


async def _ask(ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes], pair: Pair, due: float, seen: _Seen) -> None:
    request, right = pair
    answer = await ask(request, timeout=CALL_SECONDS)
    seen.calls.append((due, round((asyncio.get_running_loop().time() - due) * 1e6)))
    if answer != right:
        seen.wrong += 1


def _client(offer: Offer) -> VaultClient:
    folder = Path(offer.certificates)
    return connect(
        offer.address,
        ca=folder / "ca.pem",
        certificate=folder / f"{offer.caller}.pem",
        private_key=folder / f"{offer.caller}.key",
    )


def main() -> int:
    """Carry out the offer and report."""
    offer = Offer(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    seen = asyncio.run(_work(offer))
    print(json.dumps({"wrong": seen.wrong, "calls": seen.calls}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
