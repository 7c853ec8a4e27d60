"""Taking in a request's bytes: after the caller's role is known, for no longer than a time, and no more than is legal.

1. A body is read only once its call was admitted, so a caller without the method's role sends a few frames, not
   megabytes (HTTP/2's flow control holds the rest back).
2. Whoever has not sent his body after ``BODY_SECONDS`` to twice that is given up, with UNAVAILABLE.
3. A body that is larger than any legal one of its method is refused with INVALID_ARGUMENT, unparsed.
4. At most ``MOST_READERS`` bodies are on their way at once. When another call comes, the one that began first is given
   up: bodies come within a turn or two of the event loop, so it is one that does not want to come, and a caller who
   sends none takes nobody's place.
5. Of methods whose requests may be large, which do take time, ``MOST_LARGE_READERS`` bodies are on their way; of these
   the one that comes beyond is shed.

gRPC knows one greatest size for all methods, so a caller who holds a role can have the vault read that much
(66 MB) before it is refused.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
from typing import Any, TypeAlias

import grpc.aio

from vault.errors import InvalidInput, Unavailable
from vault.rpc.gate import Gate, overloaded

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

BODY_SECONDS = 10.0
MOST_READERS = 64
MOST_LARGE_READERS = 16
LARGE_BYTES = 1024 * 1024


class Intake:
    """Reads bodies; keeps who is reading, in the order in which they began, and the turn in which."""

    def __init__(self, gate: Gate | None = None) -> None:
        """Begin with nobody reading; ``gate`` may have a reader wait before his call is begun."""
        self._gate = gate
        self._turn = 0
        self._small: dict[asyncio.Task[Any], int] = {}
        self._large: dict[asyncio.Task[Any], int] = {}
        self._given_up: set[asyncio.Task[Any]] = set()

    async def read(self, context: Context, largest: int) -> bytes:
        """Return a request's bytes.

        Args:
            context: The call's.
            largest: The most bytes that the method's request may have.

        Raises:
            InvalidInput: There is no request, or it is larger than any legal one.
            Unavailable: The body did not come in time, or too many are on their way.
        """
        task = asyncio.current_task()
        assert task is not None  # gRPC makes one for each call
        reading = self._small
        if largest > LARGE_BYTES:
            reading = self._large
            if len(reading) >= MOST_LARGE_READERS:
                raise overloaded()
        elif len(reading) >= MOST_READERS:
            self._give_up(reading, next(iter(reading)))
        reading[task] = self._turn
        try:
            body = await context.read()
        except asyncio.CancelledError:
            if task not in self._given_up:
                raise
            task.uncancel()
            message = "the request's bytes did not come in time"
            raise Unavailable(message, reason="REQUEST_STALLED") from None
        finally:
            reading.pop(task, None)
            self._given_up.discard(task)
        if self._gate is not None and self._gate.breath_seconds:
            await self._gate.breathe()
        if not isinstance(body, bytes):
            message = "the call ended without a request"
            raise InvalidInput(message, reason="MALFORMED")
        if len(body) > largest:
            message = f"the request has {len(body)} bytes; a legal one has at most {largest}"
            raise InvalidInput(message, reason="REQUEST_TOO_LARGE")
        return body

    def sweep(self) -> None:
        """Give up on whoever was reading at the last sweep already."""
        for reading in (self._small, self._large):
            for task in [task for task, turn in reading.items() if turn < self._turn]:
                self._give_up(reading, task)
        self._turn += 1

    def _give_up(self, reading: dict[asyncio.Task[Any], int], task: asyncio.Task[Any]) -> None:
        del reading[task]
        self._given_up.add(task)
        task.cancel()

    async def watch(self) -> None:
        """Sweep for ever."""
        while True:
            await asyncio.sleep(BODY_SECONDS)
            self.sweep()
