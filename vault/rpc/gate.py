"""Admission: how many calls are worked on at once, and which are shed so that the others are answered in time.

1. At most ``calls_in_flight`` calls and, apart from them, ``open_streams`` streams are in one worker process; what
   comes beyond is shed at once, with UNAVAILABLE, RetryInfo and the reason OVERLOADED, before its body is read.
2. When calls have waited for the worker longer than ``queue_ms`` for ``PATIENCE_SECONDS``, so that it is more than a
   burst, and are more than ``LEAST_CALLS``, some are shed the same way until they do not: at most
   ``MOST_SHED_A_SECOND``, since telling a caller costs the worker half of what answering ValidateCode costs; five times
   as many where calls take 2 ms and more. Those beyond that stay in gRPC's own queue, which is bounded (see
   ``rpc.limits``). A queue that stands, and not one that is long for a moment, tells overload: CoDel's thought
   (RFC 8289 section 3).
3. When calls that take much work keep the event loop from turning within ``queue_ms``, look after look, fewer may be
   in: half as many each look, but ``LEAST_CALLS`` always; so, too, when a fifth of the calls are left by their callers
   after ``GIVEN_UP_SECONDS`` and more, as when the store cannot keep up. Afterwards as many again, by a twentieth more
   each look. While such calls wait, one is begun at a time, and before it the loop gets a breath: gRPC hands out one
   call a turn, so without it those that are to be shed would not even be looked at. ``MOST_RESTING`` wait for that, and
   what comes meanwhile is shed.
4. Calls of officers and operators are shed only when ``FIRST_CALLS`` more than ``calls_in_flight`` are in: who would
   freeze what leaks, or stop a program, gets through a flood of validations.
5. Request bytes that are in memory stay below ``MOST_BYTES``, but for the requests that are being read (see
   ``rpc.intake``): while they are not, calls are shed.
6. Shedding ends by itself: of calls that wait at the next look that finds none too many, of a loop that is late
   within some seconds.

Every bound is of one process: the workers of a vault share a port and nothing else. Health and reflection do not
pass this gate, so that a vault under load is not taken for a dead one; they are bounded apart (``rpc.aside``).

An admitted call costs two additions. How long calls wait is looked at every ``LOOK_SECONDS``, but every
``CALM_SECONDS`` while not even half of the calls wait that may: a look costs a busy loop milliseconds.
"""

import asyncio
import time
from typing import NamedTuple

from vault.errors import Unavailable
from vault.model.states import Role
from vault.rpc.backlog import EMPTY_SECONDS, Backlog
from vault.rpc.limits import ServingLimits

LOOK_SECONDS, CALM_SECONDS = 0.05, 0.25
PATIENCE_SECONDS = 0.2
LEAST_CALLS = 8
MOST_RESTING = 2
GIVEN_UP_SECONDS = 0.5
FIRST_CALLS = 32
FIRST = frozenset({Role.OFFICER, Role.OPERATOR})
"""Roles whose calls go first."""

MOST_SHED_A_SECOND = 400
MOST_BYTES = 256 * 1024 * 1024
RETRY_SECONDS = 0.25
"""After how long a shed call may be tried again; clients add jitter of their own."""

_SMOOTHING = 0.2
_FIRST_RATE = 1000.0
_FEWER, _MORE = 0.5, 1.05
_GIVEN_UP_OF = 5
_HEAVY_SECONDS, _HEAVY_TIMES, _SHED_SECONDS = 0.002, 5, 0.0002
_LEAST_LATE_SECONDS = 0.005
_BREATH_OF_LATE, _LONGEST_BREATH_SECONDS = 0.125, 0.01


def overloaded() -> Unavailable:
    """Return the error that a shed call is answered with."""
    message = "the vault has more calls than it can answer in time"
    return Unavailable(message, reason="OVERLOADED", retry_seconds=RETRY_SECONDS)


class Load(NamedTuple):
    """What a worker is about: calls and streams that it works on, calls that wait for it, calls shed since it began."""

    calls: int
    streams: int
    waiting: int
    shed: int


class Gate:
    """Counts what is in the process, and says who may come in."""

    def __init__(self, limits: ServingLimits) -> None:
        """Take the bounds of this process."""
        self._most_calls = limits.calls_in_flight
        self._may_be_in = limits.calls_in_flight
        self._most_streams = limits.open_streams
        self._queue_seconds = limits.queue_ms / 1000
        self._calls = 0
        self._streams = 0
        self._bytes = 0
        self.taken = 0
        """Calls that gRPC has handed out; those that do not come to this gate are added by whoever takes them."""
        self._taken_before = 0
        self._rate = _FIRST_RATE
        self._waiting = 0
        self._long_for = 0.0
        self._late_for = 0.0
        self._to_shed = 0
        self._shed = 0
        self._shed_before = 0
        self._one_at_a_time = asyncio.Lock()
        self._resting = 0
        self._given_up = 0
        self._calm = True
        self.breath_seconds = 0.0
        """How long the loop rests before the next call is begun; 0 where ``breathe`` need not be awaited."""

    def enter(self) -> bool:
        """Let a unary call in; False: it is to be shed. ``leave`` must follow whoever was let in."""
        self.taken += 1
        if self._to_shed or self._calls >= self._may_be_in or self._bytes > MOST_BYTES or self._resting >= MOST_RESTING:
            return self._refuse()
        self._calls += 1
        return True

    def enter_first(self) -> bool:
        """Let a unary call in as ``enter`` does, ahead of others."""
        self.taken += 1
        if self._calls >= self._most_calls + FIRST_CALLS:
            return self._refuse()
        self._calls += 1
        return True

    def leave(self, size: int) -> None:
        """Take down that a call has ended whose request had ``size`` bytes."""
        self._calls -= 1
        self._bytes -= size

    def give_up(self, began: float, size: int) -> None:
        """Take down that a call's caller has left before he was answered.

        Args:
            began: When the call came, by ``time.perf_counter``.
            size: Bytes of its request; of a call whose request has not come, nothing is taken down.
        """
        if size and time.perf_counter() - began >= GIVEN_UP_SECONDS:
            self._given_up += 1

    def enter_stream(self) -> bool:
        """Let a stream in; False: it is to be shed. ``leave_stream`` must follow whoever was let in."""
        self.taken += 1
        if self._streams >= self._most_streams or self._bytes > MOST_BYTES:
            return self._refuse()
        self._streams += 1
        return True

    def leave_stream(self, size: int) -> None:
        """Take down that a stream has ended whose request had ``size`` bytes."""
        self._streams -= 1
        self._bytes -= size

    def hold(self, size: int) -> None:
        """Take down that the ``size`` bytes of a request that was let in are in memory."""
        self._bytes += size

    async def breathe(self) -> None:
        """Let the loop look at what has come, before a call that was let in is begun."""
        self._resting += 1
        try:
            async with self._one_at_a_time:
                await asyncio.sleep(self.breath_seconds)
        finally:
            self._resting -= 1

    def load(self) -> Load:
        """Return what the process is about; calls that wait are those of the last look."""
        return Load(self._calls, self._streams, self._waiting, self._shed)

    def look(self, seconds: float, waiting: int, late_seconds: float, busy_seconds: float) -> None:
        """Decide how many of the next calls are shed, and how many may be in.

        Args:
            seconds: Time since the last look.
            waiting: Calls that have come and that nobody has looked at.
            late_seconds: How late the event loop came to this look.
            busy_seconds: CPU time that the event loop's thread has used since the last look.
        """
        taken, self._taken_before = self.taken - self._taken_before, self.taken
        rate = taken / seconds
        # What is taken up while none waits says what comes, not what the process can do.
        self._rate = self._rate + _SMOOTHING * (rate - self._rate) if waiting else max(self._rate, rate)
        self._waiting = waiting
        may_wait = max(LEAST_CALLS, self._rate * self._queue_seconds)
        too_many = round(waiting - may_wait)
        in_time = late_seconds <= self._queue_seconds
        self._calm = in_time and 2 * waiting < may_wait and self._may_be_in == self._most_calls
        patience, self._long_for = self._long_for, self._long_for + seconds if too_many > 0 else 0.0
        shed, self._shed_before = self._shed - self._shed_before, self._shed
        answered = taken - shed
        # By its own CPU time, for a busy machine or a breath make calls slow, not heavy.
        heavy = busy_seconds - shed * _SHED_SECONDS > answered * _HEAVY_SECONDS
        times = _HEAVY_TIMES if heavy else 1
        shedding = patience >= PATIENCE_SECONDS and too_many > 0
        self._to_shed = min(round(MOST_SHED_A_SECOND * times * seconds), too_many) if shedding else 0
        pressed = heavy and too_many > 0 and late_seconds >= _LEAST_LATE_SECONDS
        self.breath_seconds = min(late_seconds * _BREATH_OF_LATE, _LONGEST_BREATH_SECONDS) if pressed else 0.0
        given_up, self._given_up = self._given_up, 0
        in_time = in_time or not heavy
        if in_time and given_up * _GIVEN_UP_OF <= answered:
            self._late_for = 0.0
            self._may_be_in = min(self._most_calls, int(self._may_be_in * _MORE) + 1)
            return
        patience, self._late_for = self._late_for, self._late_for + seconds
        if patience >= PATIENCE_SECONDS or given_up:
            fewer = int(min(self._may_be_in, self._calls) * _FEWER)
            self._may_be_in = min(self._most_calls, max(LEAST_CALLS, fewer))

    async def watch(self, backlog: Backlog) -> None:
        """Look for ever at how many calls wait; not while none come."""
        clock = asyncio.get_running_loop().time
        last, taken, used = clock(), -1, time.thread_time()
        while True:
            began = clock()
            pause = CALM_SECONDS if self._calm else LOOK_SECONDS
            await asyncio.sleep(pause)
            late = clock() - began - pause
            if self.taken == taken and not self._waiting and self._may_be_in == self._most_calls:
                last, used = clock(), time.thread_time()
                continue
            taken, rested = self.taken, clock()
            await asyncio.sleep(EMPTY_SECONDS)
            # Only of a loop that turned meanwhile is it known that there was nothing to take.
            empty = self.taken == taken and clock() - rested < 2 * EMPTY_SECONDS
            if empty and self._waiting:
                backlog.found_empty(taken)
            waiting = 0 if empty else backlog.waiting(self.taken)
            now, using = clock(), time.thread_time()
            self.look(now - last, waiting, late, using - used)
            last, used = now, using

    def _refuse(self) -> bool:
        self._to_shed = max(0, self._to_shed - 1)
        self._shed += 1
        return False
