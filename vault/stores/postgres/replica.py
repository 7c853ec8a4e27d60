"""A read replica: a standby that follows the store's database, for reads that may be some moments old.

1. It is only ever read; nothing is looked up in it that decides anything.
2. It is reached when it is first read, so a vault starts, and serves all but long lists, without it.
3. A read that the standby gives up, because the primary has cleaned up what it was reading, runs again.

Its schema is not checked: a standby has the one of its primary, which the store has checked. A database that is
no copy of the vault's is refused by its keys.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

from vault.stores.lane import Lane
from vault.stores.postgres.address import Address
from vault.stores.postgres.deadline import Watch
from vault.stores.postgres.reader import Reader
from vault.stores.postgres.session import READ_ONLY, Session
from vault.stores.protocol import Transaction

T = TypeVar("T")


class PostgresReplica:
    """Records in a read replica; a ``vault.stores.protocol.Source``."""

    def __init__(self, address: Address, *, deadline_seconds: float) -> None:
        """Start its thread; to be called after forking, never before.

        Args:
            address: Where it is; a standby is preferred among its hosts.
            deadline_seconds: How long a statement may take before the connection is dropped.
        """
        self._watch = Watch(deadline_seconds)
        reader = Reader(Session(address, self._watch.line(), READ_ONLY))
        self._lane = Lane("postgres-replica", reader.serve, reader.finish)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, on a snapshot.

        Raises:
            Unavailable: No host can be reached, or it is closed.
        """
        return cast("T", await self._lane.submit(work))

    async def close(self) -> None:
        """Finish the reads that were begun, then let go of the connection."""
        await self._lane.close()
        await asyncio.to_thread(self._watch.close)
