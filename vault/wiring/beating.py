"""The heartbeat of a process that has a store (see ``vault.heartbeat``)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from vault.config import Config
from vault.heartbeat import Heartbeat
from vault.stores.protocol import Store, Transaction
from vault.stores.sqlite.turn import is_held_by_another

HANGS = 3
"""How many times ``hang_seconds`` the store may take for a piece of work that does nothing."""
DEADLINES = 6
"""How many of a database's deadlines it may take besides: other pieces go first, and connections are made anew."""


@asynccontextmanager
async def beating(config: Config, store: Store, *, looks: bool = False) -> AsyncIterator[None]:
    """Beat for as long as the process works.

    Args:
        config: The configuration.
        store: What is tried again and again.
        looks: Whether the process looks (see ``Store.look``).
    """
    ways = {"store's reader": lambda: store.read(_nothing), "store's writer": lambda: store.transact(_nothing)}
    if looks:
        ways["store's quick reader"] = lambda: store.look(_nothing)
    patience, path = float(HANGS * config.server.hang_seconds), config.store.path
    if config.store.kind == "sqlite":
        heartbeat = Heartbeat(ways, patience_seconds=patience, excused=lambda: is_held_by_another(path))
    else:
        heartbeat = Heartbeat(ways, patience_seconds=patience + DEADLINES * config.store.deadline_seconds)
    task = asyncio.create_task(heartbeat.run())
    try:
        yield
    finally:
        task.cancel()


def _nothing(_: Transaction) -> None:
    """Do nothing, which takes as long as whatever is in the way."""
