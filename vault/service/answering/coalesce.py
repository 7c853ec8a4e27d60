"""Answering what has arrived together: at once while calls are few, gathered for a moment when they are many.

1. While ``GROUPS`` groups are being answered the next one gathers; when fewer are, a group is answered at once. More
   than one group at a time keeps the processor at work while a commit waits for the disk; the store gives groups
   that wait together one commit.
2. When a group has not been answered after ``LATE_SECONDS``, as when a job of another process has its turn to write,
   more than ``GROUPS`` may be under way: they share the commit that it waits for, and not the one after it, for which
   they might wait as long again.
3. Under load, from ``BUSY_QUESTIONS`` in ``BUSY_SECONDS`` on (667 a second in one process), groups begin at least
   ``GATHER_SECONDS`` apart. A group costs about 0.8 ms of processor whatever is in it (two snapshots, a commit,
   waking threads), as much as eight answers; with groups of five it was the processor that everyone waited for.
   With 16 ms instead of 8 a call costs 50 to 60 µs less on SQLite and 75 µs less on PostgreSQL, and is answered
   sooner where the processor is what is short. PostgreSQL's ``commit_delay`` with ``commit_siblings`` does the
   same for the same reason.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

GROUPS = 2
"""Groups being answered at the same time at most."""

LATE_SECONDS, MOST_GROUPS = 0.005, 8
"""After how long a group is late, and the groups being answered at the same time at most while one is."""

MAX_GROUP = 256
"""Questions in one group at most, so that the first of them is not kept waiting for long."""

BUSY_QUESTIONS, BUSY_SECONDS = 16, 0.024
GATHER_SECONDS = 0.016


class Coalescer(Generic[Q, A]):
    """Gathers questions into groups. One question's failure is its own; a group's failure is everyone's in it."""

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._begun: dict[int, float] = {}
        self._number = 0
        self._arrivals: deque[float] = deque(maxlen=BUSY_QUESTIONS)
        self._next_begin = 0.0

    async def ask(self, question: Q) -> A:
        """Return the answer to a question."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        now = loop.time()
        self._arrivals.append(now)
        self._waiting.append((question, future))
        if len(self._running) < GROUPS or self._is_late(now):
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    def _is_late(self, now: float) -> bool:
        """Tell whether the group that began first has not been answered for long, and another one may begin."""
        first = next(iter(self._begun.values()), now)
        return now - first > LATE_SECONDS and len(self._running) < MOST_GROUPS

    async def _run(self) -> None:
        while self._waiting:
            await self._gather()
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            if group:  # another may have taken all that waited
                await self._settle(group)

    async def _gather(self) -> None:
        """Wait for this group's time to begin, where questions are many."""
        now = asyncio.get_running_loop().time()
        if len(self._arrivals) == BUSY_QUESTIONS and now - self._arrivals[0] < BUSY_SECONDS:
            self._next_begin = max(self._next_begin + GATHER_SECONDS, now)
            await asyncio.sleep(self._next_begin - now)

    async def _settle(self, group: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        self._number += 1
        number = self._number
        self._begun[number] = asyncio.get_running_loop().time()
        try:
            answers = await self._answer([question for question, _ in group])
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer of everyone in the group
            answers = [error] * len(group)
        finally:
            del self._begun[number]
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue  # its caller has gone
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
