"""A store that fails when it is told to, for tests that fail the n-th call, for every n.

1. Calls are counted from 1 over the store's life: each method of each kind of record, in ``transact`` and in
   ``read``, each commit of a ``transact``, and each ``settle``. Reaching a record (``tx.cards``) and
   ``on_failure`` do not count.
2. The call numbered ``fail_at`` raises ``Unavailable``, once. With ``Moment.BEFORE`` it has done nothing; with
   ``Moment.AFTER`` it was done, so a commit that fails so is durable and its caller cannot know.
3. Callbacks given to ``on_failure`` run as in a real store: also after a commit whose outcome is unknown, and
   before any other work. To keep that, one piece of work runs at a time.

It wraps a real store; nothing of the store is imitated.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar, cast

from vault.errors import Unavailable
from vault.stores.protocol import Store, Transaction

T = TypeVar("T")


class Moment(Enum):
    """When the chosen call fails."""

    BEFORE = "before"
    AFTER = "after"


class FaultyStore:
    """A store over another, whose call number ``fail_at`` fails."""

    def __init__(self, inner: Store, fail_at: int | None = None, moment: Moment = Moment.BEFORE) -> None:
        """Wrap a store.

        Args:
            inner: The store that does the work; closed with this one.
            fail_at: Number of the call that fails, from 1; None: only count.
            moment: Whether it fails before or after it was done.
        """
        self.calls = 0
        self.failed = False
        self.fail_at = fail_at
        self.moment = moment
        self._inner = inner
        self._alone = asyncio.Lock()

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write; its record calls and its commit count."""
        callbacks: list[Callable[[], None]] = []
        lost_after = False

        def counted(tx: Transaction) -> T:
            nonlocal lost_after
            callbacks.clear()  # a store may run work again
            result = work(cast("Transaction", _FaultyTransaction(self, tx, callbacks)))
            if self._reached():
                if self.moment is Moment.BEFORE:
                    raise _fault()
                lost_after = True
            return result

        async with self._alone:
            result = await self._inner.transact(counted)
            if lost_after:
                for callback in reversed(callbacks):
                    callback()
                raise _fault()
            return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads; its record calls count."""
        async with self._alone:
            return await self._inner.read(lambda tx: work(cast("Transaction", _FaultyTransaction(self, tx, []))))

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run short work that only reads; its record calls count."""
        async with self._alone:
            return await self._inner.look(lambda tx: work(cast("Transaction", _FaultyTransaction(self, tx, []))))

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait."""
        return self._inner.waiting()

    async def crowded(self) -> bool:
        """Whether others write; counts as no call."""
        return await self._inner.crowded()

    async def settle(self) -> None:
        """Wait for work that began earlier; counts as one call."""
        async with self._alone:
            reached = self._reached()
            if reached and self.moment is Moment.BEFORE:
                raise _fault()
            await self._inner.settle()
            if reached:
                raise _fault()

    async def close(self) -> None:
        """Close the store beneath."""
        await self._inner.close()

    def call(self, method: Callable[..., Any], *args: Any, **names: Any) -> Any:
        """Count a call and make it, or fail it."""
        reached = self._reached()
        if reached and self.moment is Moment.BEFORE:
            raise _fault()
        result = method(*args, **names)
        if reached:
            raise _fault()
        return result

    def _reached(self) -> bool:
        self.calls += 1
        if self.calls == self.fail_at:
            self.failed = True
            return True
        return False


class _FaultyTransaction:
    """Hands out records whose calls are counted."""

    def __init__(self, store: FaultyStore, tx: Transaction, callbacks: list[Callable[[], None]]) -> None:
        self._store = store
        self._tx = tx
        self._callbacks = callbacks

    def __getattr__(self, kind: str) -> "_FaultyRecords":
        return _FaultyRecords(self._store, getattr(self._tx, kind))

    def on_failure(self, callback: Callable[[], None]) -> None:
        self._callbacks.append(callback)
        self._tx.on_failure(callback)


class _FaultyRecords:
    """Counts the calls of one kind of record."""

    def __init__(self, store: FaultyStore, records: Any) -> None:
        self._store = store
        self._records = records

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._records, name)
        return lambda *args, **names: self._store.call(method, *args, **names)


def _fault() -> Unavailable:
    return Unavailable("a fault that the test asked for", retry_seconds=0.0)
