"""Stores over a real store, for tests that count commits or break a single kind of call."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from vault.errors import Unavailable
from vault.stores.protocol import Store, Transaction

T = TypeVar("T")


class CountingStore:
    """Counts the pieces of work that are written and read."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.written = 0
        self.read_count = 0

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Count and run work that may write."""
        self.written += 1
        return await self._inner.transact(work)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Count and run work that only reads."""
        self.read_count += 1
        return await self._inner.read(work)

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run short work that only reads."""
        return await self._inner.look(work)

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait."""
        return self._inner.waiting()

    async def crowded(self) -> bool:
        """Whether others write."""
        return await self._inner.crowded()

    async def settle(self) -> None:
        """Wait for work that began earlier."""
        await self._inner.settle()

    async def close(self) -> None:
        """Close the store beneath."""
        await self._inner.close()


class SilencedStore:
    """Refuses to write audit events while ``silenced``."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner
        self.silenced = False

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write."""
        if not self.silenced:
            return await self._inner.transact(work)
        return await self._inner.transact(lambda tx: work(cast("Transaction", _Silenced(tx))))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads."""
        return await self._inner.read(work)

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run short work that only reads."""
        return await self._inner.look(work)

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait."""
        return self._inner.waiting()

    async def crowded(self) -> bool:
        """Whether others write."""
        return await self._inner.crowded()

    async def settle(self) -> None:
        """Wait for work that began earlier."""
        await self._inner.settle()

    async def close(self) -> None:
        """Close the store beneath."""
        await self._inner.close()


class _Silenced:
    """A transaction whose audit log is full."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    @property
    def audit(self) -> "_Silenced":
        return self

    def append(self, rows: object) -> None:
        raise Unavailable("the audit log cannot be written")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tx, name)


class InterruptedStore(CountingStore):
    """Does something between a look and whatever comes after it, once for each thing in ``between``."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.between: list[Callable[[], Awaitable[object]]] = []

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run short work that only reads, then what was asked for."""
        result = await super().look(work)
        if self.between:
            await self.between.pop(0)()
        return result
