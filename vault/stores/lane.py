"""A thread that serves pieces of work from a queue, and tells the event loops of their outcome.

1. Pieces are served in the order in which they were given, those to be served again before all others, and
   each gets exactly one outcome, even when the serving itself fails or the lane closes.
2. A loop is woken once for all the outcomes of one serving.
3. Whoever stopped waiting, or whose loop has closed, disturbs nobody.

The thread starts with the first lane object and does not survive a fork: make lanes after forking.
"""

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

from vault.errors import Unavailable


class Piece:
    """One piece of work on its way, its outcome, and what to call if its writes are lost.

    ``attempts`` and ``since`` (monotonic seconds) are for whoever serves a piece again: how often, and since when.
    """

    __slots__ = ("attempts", "callbacks", "fault", "future", "loop", "result", "since", "work")

    def __init__(
        self, work: Callable[[Any], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]
    ) -> None:
        self.work = work
        self.loop = loop
        self.future = future
        self.result: Any = None
        self.fault: BaseException | None = None
        self.callbacks: list[Callable[[], None]] = []
        self.attempts = 0
        self.since = 0.0

    def fail(self, fault: BaseException) -> None:
        """Give the piece its fault and run its callbacks, the last registered first."""
        if isinstance(fault, StopIteration):  # a future cannot carry one
            fault = RuntimeError("the work raised StopIteration")
        self.fault = fault
        self.undo(fault)

    def undo(self, reason: BaseException) -> None:
        """Forget the result and run the callbacks, the last registered first: what was written is undone."""
        self.result = None
        callbacks, self.callbacks = self.callbacks, []
        for callback in reversed(callbacks):
            try:
                callback()
            except Exception as error:  # noqa: BLE001  the others must run, and the reason counts more
                reason.add_note(f"a callback on failure raised {type(error).__name__} as well")


Serve = Callable[[list[Piece], "Lane"], None]
"""Serves the first piece of the list, and whatever it adds to the list from the lane.

Each piece must be settled, or taken out of the list and given to ``Lane.again``.
"""


class Lane:
    """A queue of pieces and the thread that serves them."""

    def __init__(self, name: str, serve: Serve, finish: Callable[[], None]) -> None:
        """Start the thread.

        Args:
            name: The thread's name.
            serve: Called on the thread with a list that holds one piece.
            finish: Called on the thread once, after the last piece.
        """
        self._serve = serve
        self._finish = finish
        self._queue: SimpleQueue[Piece | None] = SimpleQueue()
        self._repeated: deque[Piece] = deque()
        self._gate = threading.Lock()
        self._closed = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def submit(self, work: Callable[[Any], Any]) -> Any:
        """Have work served, and return its result.

        Raises:
            Unavailable: The lane is closed.
        """
        loop = asyncio.get_running_loop()
        piece = Piece(work, loop, loop.create_future())
        with self._gate:
            if self._closed:
                message = "the store is closed"
                raise Unavailable(message)
            self._queue.put(piece)
        return await piece.future

    def waiting(self) -> int:
        """Return about how many pieces wait."""
        return len(self._repeated) + self._queue.qsize()

    def take(self) -> Piece | None:
        """Return the next piece that waits, on the lane's own thread; None if there is none."""
        if self._repeated:
            return self._repeated.popleft()
        try:
            piece = self._queue.get_nowait()
        except Empty:
            return None
        self._ended = self._ended or piece is None
        return piece

    def again(self, pieces: Iterable[Piece]) -> None:
        """Have pieces served once more, in their order and before all others; on the lane's own thread."""
        self._repeated.extend(pieces)

    async def close(self) -> None:
        """Serve what was submitted before, then end the thread. May be called again."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._next()) is not None:
            group = [first]
            try:
                self._serve(group, self)
            except BaseException as error:  # noqa: BLE001  the thread must live: others wait for it
                for piece in group:
                    if piece.fault is None:
                        piece.fail(error)
            _tell(group)
            del group, first
        self._finish()

    def _next(self) -> Piece | None:
        """Wait for the next piece; None when there will be no more."""
        if self._repeated:
            return self._repeated.popleft()
        return None if self._ended else self._queue.get()


def _tell(group: list[Piece]) -> None:
    by_loop: defaultdict[asyncio.AbstractEventLoop, list[Piece]] = defaultdict(list)
    for piece in group:
        by_loop[piece.loop].append(piece)
    for loop, pieces in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody is left to be told
            loop.call_soon_threadsafe(_settle, pieces)


def _settle(pieces: list[Piece]) -> None:
    for piece in pieces:
        if piece.future.done():  # cancelled meanwhile
            continue
        if piece.fault is None:
            piece.future.set_result(piece.result)
        else:
            piece.future.set_exception(piece.fault)
