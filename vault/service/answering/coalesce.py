"""Answering what has arrived together, without waiting for more.

While ``GROUPS`` groups are being answered the next one gathers; when fewer are, a group is answered at once. More than
one group at a time keeps the processor at work while a commit waits for the disk; the store gives groups that wait
together one commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")

GROUPS = 2
"""Groups being answered at the same time at most."""

MAX_GROUP = 256
"""Questions in one group at most, so that the first of them is not kept waiting for long."""


class Coalescer(Generic[Q, A]):
    """Gathers questions into groups. One question's failure is its own; a group's failure is everyone's in it."""

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A | Exception]]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, question: Q) -> A:
        """Return the answer to a question."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if len(self._running) < GROUPS:
            task = asyncio.create_task(self._run())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            await self._settle(group)

    async def _settle(self, group: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._answer([question for question, _ in group])
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer of everyone in the group
            answers = [error] * len(group)
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue  # its caller has gone
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
