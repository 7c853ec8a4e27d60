"""A client process that keeps a number of calls in flight for a time: ``python -m bench.load FILE``.

The file holds an ``Order`` as JSON. The process connects, says ``ready``, waits for a line, then works for the
warm-up and the time that is measured; calls that end within that time count. It writes one JSON object:
calls, all calls with those of the warm-up, wrong answers, and the latencies in microseconds.

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

CALL_SECONDS = 120.0
"""Deadline of one call, and of connecting."""


class Order(NamedTuple):
    """What a client process is to do; ``in_flight`` calls over all its ``connections`` together."""

    address: str
    certificates: str
    caller: str
    method: str
    pairs: str
    first: int
    connections: int
    in_flight: int
    warm_up_seconds: float
    seconds: float


class _Tally:
    """What was seen."""

    def __init__(self) -> None:
        self.wrong = 0
        self.all = 0
        self.latencies: list[float] = []


async def _work(order: Order) -> _Tally:
    pairs = read_pairs(Path(order.pairs))
    clients = [_client(order) for _ in range(order.connections)]
    asks: list[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = [
        client.channel.unary_unary(order.method) for client in clients
    ]
    tally = _Tally()
    try:
        connecting = asyncio.gather(*(client.channel.channel_ready() for client in clients))
        await asyncio.wait_for(connecting, CALL_SECONDS)
        gc.collect()
        gc.freeze()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        begin = asyncio.get_running_loop().time() + order.warm_up_seconds
        turn = itertools.islice(itertools.cycle(pairs), order.first, None)
        await asyncio.gather(
            *(
                _keep_asking(asks[number % len(asks)], turn, (begin, begin + order.seconds), tally)
                for number in range(order.in_flight)
            )
        )
    finally:
        await asyncio.gather(*(client.close() for client in clients))
    return tally


async def _keep_asking(
    ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes],
    turn: Iterator[Pair],
    window: tuple[float, float],
    tally: _Tally,
) -> None:
    begin, end = window
    now = asyncio.get_running_loop().time
    began = now()
    while began < end:
        request, right = next(turn)
        answer = await ask(request, timeout=CALL_SECONDS)
        ended = now()
        tally.all += 1
        if answer != right:
            tally.wrong += 1
        if begin <= ended <= end:
            tally.latencies.append(ended - began)
        began = ended


def _client(order: Order) -> VaultClient:
    folder = Path(order.certificates)
    return connect(
        order.address,
        ca=folder / "ca.pem",
        certificate=folder / f"{order.caller}.pem",
        private_key=folder / f"{order.caller}.key",
    )


def main() -> int:
    """Carry out the order and report."""
    order = Order(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    tally = asyncio.run(_work(order))
    micros = [round(latency * 1e6) for latency in tally.latencies]
    print(json.dumps({"calls": len(micros), "all": tally.all, "wrong": tally.wrong, "latencies": micros}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
