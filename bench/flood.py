"""A client process that offers calls far above what a vault can serve: ``python -m bench.flood FILE``.

The file holds a ``Flood`` as JSON. The process connects, says ``ready``, waits for a line and then offers calls: at a
steady rate, answered or not, or, without a rate, so that a number of them is always in flight. It writes one JSON
object: for each kind of end the calls as pairs of when each was due, by the machine's monotonic clock in seconds, and
how long after that it ended, in microseconds. Kinds are ``good``, the right answer; ``shed``, UNAVAILABLE with a time
after which to retry; ``held`` and ``none``; ``reset``; any other grpc-status by its number.

A call costs it some 10 µs (``bench.http2``), a twentieth of what a gRPC client would take from the vault's cores. Like
a gRPC client it keeps to one stream for each call and to the server's bound on streams: what is above that bound when
it is due is not sent, and ends as ``held``; what has not ended ``last_seconds`` after its deadline ends as ``none``.
"""

import asyncio
import itertools
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.http2 import DATA, END_STREAM, HEADERS, RST_STREAM, Connection, client_context, headers, request, status_of
from bench.pairs import Pair, read_pairs

TICK_SECONDS = 0.004
MOST_STREAMS = 1000
PREFIX_BYTES = 5
UNAVAILABLE, PUSHBACK = 14, b"grpc-retry-pushback-ms"


class Flood(NamedTuple):
    """What a process is to do, over all its connections.

    Attributes:
        rate: Calls a second; 0 for ``in_flight`` calls at any time.
        last_seconds: Allowed beyond a call's deadline for its end to arrive.
    """

    address: str
    certificates: str
    caller: str
    method: str
    pairs: str
    first: int
    connections: int
    rate: float
    in_flight: int
    seconds: float
    deadline_ms: int
    last_seconds: float = 2.0


class _Pipe:
    """One connection with its calls in flight: by stream, when each was due and what answers it."""

    def __init__(self, connection: Connection, block: bytes, ends: dict[str, list[tuple[float, int]]]) -> None:
        self.connection = connection
        self.pending: dict[int, tuple[float, bytes]] = {}
        self.closed = False
        self._block = block
        self._ends = ends
        self._streams = itertools.count(1, 2)
        self._answers: dict[int, bytes] = {}

    def ask(self, pair: Pair, due: float) -> bytes:
        """Return the bytes of a new call; none when it may not be sent."""
        if self.closed or len(self.pending) >= MOST_STREAMS:
            self._end("held", due)
            return b""
        stream = next(self._streams)
        self.pending[stream] = due, pair[1]
        return request(stream, self._block, pair[0])

    async def listen(self) -> None:
        """Take answers until the connection ends."""
        while frames := await self.connection.frames():
            for kind, flags, stream, payload in frames:
                if stream not in self.pending:
                    continue
                if kind == DATA:
                    self._answers[stream] = self._answers.get(stream, b"") + payload
                elif kind == RST_STREAM:
                    self._done(stream, "reset")
                elif kind == HEADERS and flags & END_STREAM:
                    self._done(stream, self._kind(stream, payload))
        self.closed = True

    def _kind(self, stream: int, trailers: bytes) -> str:
        status = status_of(trailers)
        if status == 0 and self._answers.get(stream, b"")[PREFIX_BYTES:] == self.pending[stream][1]:
            return "good"
        return "shed" if status == UNAVAILABLE and PUSHBACK in trailers else str(status)

    def _done(self, stream: int, end: str) -> None:
        due, _ = self.pending.pop(stream)
        self._answers.pop(stream, None)
        self._end(end, due)

    def _end(self, end: str, due: float) -> None:
        self._ends[end].append((round(due, 4), round((time.monotonic() - due) * 1e6)))


async def _work(flood: Flood) -> dict[str, list[tuple[float, int]]]:
    pairs = read_pairs(Path(flood.pairs))
    host, _, port = flood.address.rpartition(":")
    context = client_context(Path(flood.certificates), flood.caller)
    block = headers(flood.method, flood.address, (("grpc-timeout", f"{flood.deadline_ms}m"),))
    ends: dict[str, list[tuple[float, int]]] = defaultdict(list)
    connections = [await Connection.opened(host, int(port), context) for _ in range(flood.connections)]
    pipes = [_Pipe(connection, block, ends) for connection in connections]
    listening = [asyncio.create_task(pipe.listen()) for pipe in pipes]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    turn = itertools.islice(itertools.cycle(pairs), flood.first, None)
    await _offer(flood, pipes, turn)
    deadline = time.monotonic() + flood.deadline_ms / 1000 + flood.last_seconds
    while any(pipe.pending for pipe in pipes) and time.monotonic() < deadline:  # noqa: ASYNC110  # of many, none tells
        await asyncio.sleep(TICK_SECONDS)
    ends["none"] += [(due, 0) for pipe in pipes for due, _ in pipe.pending.values()]
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
    for connection in connections:
        connection.close()
    return ends


async def _offer(flood: Flood, pipes: list[_Pipe], turn: Iterator[Pair]) -> None:
    start = time.monotonic()
    sent = 0
    while (now := time.monotonic()) < start + flood.seconds:
        if flood.rate:
            due = int((now - start) * flood.rate)
        else:
            due = sent + flood.in_flight - sum(len(pipe.pending) for pipe in pipes)
        parts: dict[int, list[bytes]] = defaultdict(list)
        for number in range(sent, due):
            place = number % len(pipes)
            parts[place].append(pipes[place].ask(next(turn), start + number / flood.rate if flood.rate else now))
        sent = due
        for place, asked in parts.items():
            if not pipes[place].closed:
                pipes[place].connection.writer.write(b"".join(asked))
        await asyncio.sleep(TICK_SECONDS if flood.rate else 0.0005)


def main() -> int:
    """Carry out the flood and report."""
    flood = Flood(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asyncio.run(_work(flood))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
