"""Several processes on one file, and processes that are killed."""

import multiprocessing
import random
import time
from pathlib import Path

from tests.contracts.samples import PROGRAM
from tests.stores import children
from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.protocol import Store
from vault.stores.sqlite import SqliteStore

SPAWN = multiprocessing.get_context("spawn")


async def test_two_processes_lose_no_count(database: Path, store: Store) -> None:
    writers = [SPAWN.Process(target=children.count_up, args=(database, 400)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(PATIENCE_SECONDS)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert [row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))] == [800]


async def test_a_killed_writer_loses_nothing_acknowledged_and_leaves_nothing_half(database: Path) -> None:
    chance = random.Random(20060616)
    acknowledged: set[bytes] = set()
    for _ in range(8):
        told, telling = SPAWN.Pipe(duplex=False)
        writer = SPAWN.Process(target=children.write_and_tell, args=(database, telling))
        writer.start()
        telling.close()
        acknowledged.add(told.recv_bytes())
        end = time.monotonic() + chance.random() * 0.3
        while time.monotonic() < end and told.poll(max(0.0, end - time.monotonic())):
            acknowledged.add(told.recv_bytes())
        writer.kill()
        writer.join(PATIENCE_SECONDS)
        try:
            while told.poll(1):
                acknowledged.add(told.recv_bytes())
        except (EOFError, OSError):  # the pipe ends where the kill met it
            told.close()
        store = SqliteStore.open(database, cache_mib=4)
        rows = await store.read(lambda tx: tx.cards.page(PROGRAM, b"", 1_000_000))
        there = {row.card_id: row for row in rows}
        assert acknowledged <= set(there)
        assert all(there[row.redemption_id].redemption_id == row.card_id for row in rows if row.redemption_id)
        assert all(row.redemption_id is not None for row in rows)
        await store.close()
