"""What child processes of these tests do; started by multiprocessing's spawn, so importable and plain."""

import asyncio
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

from tests.contracts.samples import PROGRAM, TAG, card, new_id
from tests.stores.patience import PATIENCE_SECONDS
from vault.model.rows import TallyRow
from vault.stores.migrations import MIGRATIONS
from vault.stores.postgres import Address, PostgresStore
from vault.stores.protocol import Store, Transaction
from vault.stores.sqlite import SqliteStore, migrate, schema


class _Killing(tuple[str, ...]):
    """Statements of which the last one that is asked for kills the process."""

    __slots__ = ()

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204  a plain generator
        yield from super().__iter__()
        os.kill(os.getpid(), signal.SIGKILL)


def migrate_until(path: Path, statement: int) -> None:
    """Migrate, and be killed after this many statements of the first step."""
    first = MIGRATIONS[0]
    vars(schema)["MIGRATIONS"] = (first._replace(sqlite=_Killing(first.sqlite[:statement])),)
    migrate(path)


def count_up(path: Path, times: int) -> None:
    """Add one to the same tally this often, by ten callers at a time."""

    def add(tx: Transaction) -> None:
        row = tx.tallies.get_locked(PROGRAM, 0)
        tx.tallies.put(TallyRow(PROGRAM, 0, row.live + 1 if row else 1, TAG))

    async def run() -> None:
        store = SqliteStore.open(path, cache_mib=4)
        for _ in range(times // 10):
            await asyncio.gather(*(store.transact(add) for _ in range(10)))
        await store.close()

    asyncio.run(run())


def write_and_tell(path: Path, told: Connection) -> None:
    """Write cards in pairs for ever, and tell the ids of each pair once it is acknowledged."""

    def pair(tx: Transaction) -> bytes:
        ids = [new_id(), new_id()]
        tx.cards.insert([card(ids[0])._replace(redemption_id=ids[1])])
        tx.cards.insert([card(ids[1])._replace(redemption_id=ids[0])])
        return ids[0]

    async def run() -> None:
        store = SqliteStore.open(path, cache_mib=4)

        async def one() -> None:
            while True:
                told.send_bytes(await store.transact(pair))

        await asyncio.gather(*(one() for _ in range(8)))

    asyncio.run(run())


def write_slowly(kind: str, where: str, began: Event, release: Event) -> None:
    """Begin to write to a store, and end when told."""

    def work(tx: Transaction) -> None:
        tx.vault.catalogue_number()
        began.set()
        assert release.wait(PATIENCE_SECONDS)
        tx.tallies.put(TallyRow(PROGRAM, 0, 1, TAG))

    async def run() -> None:
        store: Store = SqliteStore.open(Path(where)) if kind == "sqlite" else PostgresStore.open(Address(where))
        await store.transact(work)
        await store.close()

    asyncio.run(run())
