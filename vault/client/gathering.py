"""Gathering what concurrent callers ask into groups, without waiting for more.

1. While as many groups as are allowed are on their way, the next one gathers; when fewer are, a group leaves at
   once with whatever has arrived. Nobody is kept waiting for company.
2. A caller leaves at its own deadline, or when it is cancelled, wherever its question is by then, and harms
   nobody. A group that every caller has left is cancelled.
3. Questions of different lanes never share a group, and lanes take turns.
4. No more questions wait than the limit: the next one is refused at once.

How a group is answered is not known here; neither are the questions, which appear in no text.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

from vault.errors import Unavailable, VaultError

L = TypeVar("L", bound=Hashable)
Q = TypeVar("Q")
A = TypeVar("A")

FULL_RETRY_SECONDS = 0.1
"""What a caller that is refused for lack of room is told to wait."""


class Limits(NamedTuple):
    """How much is gathered.

    Fields:
        groups: Groups on their way at the same time, at most.
        group_size: Questions in one group, at most.
        group_bytes: Bytes of the questions of one group; one that is larger goes alone.
        most_waiting: Questions that wait for a group, at most.
    """

    groups: int
    group_size: int
    group_bytes: int
    most_waiting: int


class Asked(Generic[Q, A]):
    """One caller's question; whoever answers the group settles it, by ``settle`` or ``refuse``, once."""

    __slots__ = ("deadline", "group", "question", "settled", "size", "waiter")

    def __init__(self, question: Q, size: int, deadline: float, waiter: "asyncio.Future[A]") -> None:
        self.question = question
        self.size = size
        self.deadline = deadline  # by the event loop's clock
        self.waiter = waiter
        self.group: _Group | None = None  # None while it waits
        self.settled = False

    @property
    def gone(self) -> bool:
        """Whether its caller waits no more."""
        return self.waiter.done()

    def settle(self, answer: A) -> None:
        """Answer it."""
        self._end()
        if not self.waiter.done():
            self.waiter.set_result(answer)

    def refuse(self, error: Exception) -> None:
        """Refuse it; the error is raised by its caller alone, so it must not be another's too."""
        self._end()
        if not self.waiter.done():
            self.waiter.set_exception(error)

    def expire(self) -> None:
        """Tell its caller that its time is over."""
        if not self.waiter.done():
            self.waiter.set_exception(_late())

    def leave(self) -> None:
        """Need no answer any more; the last of a group gives it up."""
        self._end()
        if self.group is not None and not self.group.waiting and self.group.task is not None:
            self.group.task.cancel()

    def _end(self) -> None:
        if not self.settled:
            self.settled = True
            if self.group is not None:
                self.group.waiting -= 1


class _Group:
    """Questions on their way: how many of them need an answer still, and the task that answers."""

    __slots__ = ("task", "waiting")

    def __init__(self, waiting: int, task: "asyncio.Task[None] | None") -> None:
        self.waiting = waiting
        self.task = task


class Gatherer(Generic[L, Q, A]):
    """Gathers questions, lane by lane; it belongs to the event loop that it is first used in."""

    def __init__(self, answer: Callable[[L, Sequence[Asked[Q, A]]], Awaitable[None]], limits: Limits) -> None:
        """Take what answers a group: it settles every question of it; what it raises refuses those left."""
        self._answer = answer
        self._limits = limits
        self._lanes: OrderedDict[L, OrderedDict[Asked[Q, A], None]] = OrderedDict()
        self._waiting = 0
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    async def ask(self, lane: L, question: Q, size: int, timeout_seconds: float) -> A:
        """Return the answer to a question.

        Args:
            lane: What it may share a group with.
            question: The question.
            size: Its bytes.
            timeout_seconds: After how long its caller leaves.

        Raises:
            Unavailable: DEADLINE_EXCEEDED, VALIDATOR_FULL or VALIDATOR_CLOSED; or as the answerer says.
        """
        if self._closed:
            raise Unavailable("the validator is closed", reason="VALIDATOR_CLOSED")
        if self._waiting >= self._limits.most_waiting:
            message = "as many callers wait already as are allowed to"
            raise Unavailable(message, reason="VALIDATOR_FULL", retry_seconds=FULL_RETRY_SECONDS)
        if timeout_seconds <= 0.0:
            raise _late()
        loop = asyncio.get_running_loop()
        asked: Asked[Q, A] = Asked(question, size, loop.time() + timeout_seconds, loop.create_future())
        self._lanes.setdefault(lane, OrderedDict())[asked] = None
        self._waiting += 1
        self._launch()
        timer = loop.call_at(asked.deadline, asked.expire)
        try:
            return await asked.waiter
        finally:
            timer.cancel()
            if asked.waiter.done() and not asked.waiter.cancelled():
                asked.waiter.exception()  # looked at, though a caller cancelled in this very moment never sees it
            if not asked.settled:
                self._leave(lane, asked)

    async def close(self) -> None:
        """Take no more questions, and return when those that were taken are answered, or their time is over."""
        self._closed = True
        while self._running:
            await asyncio.wait(self._running)

    def _launch(self) -> None:
        """Send a group on its way if one may go; it takes its questions in the loop's next turn."""
        if len(self._running) < self._limits.groups and self._waiting:
            task = asyncio.create_task(self._carry_out())
            self._running.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._launch()

    async def _carry_out(self) -> None:
        taken = self._take()
        if taken is None:
            return
        lane, questions = taken
        refusal: Exception = Unavailable("the call was cancelled", reason="CANCELLED")
        try:
            await self._answer(lane, questions)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the answer of everyone who has none
            refusal = error
        finally:
            for asked in questions:
                if not asked.settled:
                    asked.refuse(copy_of(refusal))

    def _take(self) -> tuple[L, list[Asked[Q, A]]] | None:
        """Take a group from the lane whose turn it is; None where nobody waits."""
        if not self._lanes:
            return None
        lane, waiting = self._lanes.popitem(last=False)
        questions: list[Asked[Q, A]] = []
        size = 0
        while waiting and len(questions) < self._limits.group_size:
            asked = next(iter(waiting))
            size += asked.size
            if questions and size > self._limits.group_bytes:
                break
            del waiting[asked]
            questions.append(asked)
        if waiting:
            self._lanes[lane] = waiting  # behind the other lanes
        self._waiting -= len(questions)
        group = _Group(len(questions), asyncio.current_task())
        for asked in questions:
            asked.group = group
        return lane, questions

    def _leave(self, lane: L, asked: Asked[Q, A]) -> None:
        asked.leave()
        if asked.group is None:
            waiting = self._lanes[lane]
            del waiting[asked]
            self._waiting -= 1
            if not waiting:
                del self._lanes[lane]


def copy_of(error: Exception, *, field: str | None = None) -> Exception:
    """Return an equal error that one more caller can raise, as each adds its own traceback.

    Args:
        error: The error.
        field: The field that the copy names; the error's own where None.
    """
    if not isinstance(error, VaultError):
        failed = Unavailable("the call failed in the caller's own process", reason="INTERNAL")
        failed.__cause__ = error
        return failed
    return type(error)(
        error.message,
        reason=error.reason,
        field=error.field if field is None else field,
        metadata=error.metadata,
        retry_seconds=error.retry_seconds,
    )


def _late() -> Unavailable:
    return Unavailable("there was no answer in time", reason="DEADLINE_EXCEEDED")
