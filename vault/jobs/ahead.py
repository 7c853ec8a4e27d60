"""What a job's next chunk will need, made while the present one is being written.

1. What was made is given only to whoever asks for the very same thing; for anything else it is dropped, unseen.
2. A failure is told to whoever asks for what was not made, not before, and to nobody if nobody asks.
3. One thing is made ahead at a time, so memory holds one more.

It decides nothing: whether what was made still holds is for the transaction that writes it, as ever.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """One thing that is made ahead, on one event loop."""

    def __init__(self) -> None:
        self._key: object = None
        self._task: asyncio.Task[T] | None = None

    def begin(self, key: object, make: Callable[[], Awaitable[T]]) -> None:
        """Begin to make what will be asked for by ``key``; what was made before is dropped."""
        self._drop()
        self._key, self._task = key, asyncio.ensure_future(_made(make))
        self._task.add_done_callback(_seen)

    async def take(self, key: object, make: Callable[[], Awaitable[T]]) -> T:
        """Return what was made for ``key``, or make it now.

        Raises:
            VaultError: It could not be made.
        """
        if self._task is not None and self._key == key:
            task, self._task = self._task, None
            return await task
        self._drop()
        return await make()

    def _drop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None


async def _made(make: Callable[[], Awaitable[T]]) -> T:
    return await make()


def _seen(task: "asyncio.Task[T]") -> None:
    """Look at how a task ended, or asyncio would say that nobody did."""
    if not task.cancelled():
        task.exception()
