"""How much of what waits shares a commit."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.samples import PROGRAM, TAG
from tests.stores.patience import PATIENCE_SECONDS
from vault.model.rows import TallyRow
from vault.stores.protocol import Transaction
from vault.stores.sqlite import SqliteStore, writer


@pytest.mark.parametrize(("group_pieces", "seen"), [(1, [1, 2, 3]), (2, [0, 2, 2]), (256, [0, 0, 0])])
async def test_so_many_pieces_that_wait_share_a_commit(
    database: Path, monkeypatch: pytest.MonkeyPatch, group_pieces: int, seen: list[int]
) -> None:
    monkeypatch.setattr(writer, "GROUP_SECONDS", PATIENCE_SECONDS)
    store = SqliteStore.open(database, cache_mib=4, group_pieces=group_pieces)
    held, release = threading.Event(), threading.Event()
    others: list[int] = []

    def hold(tx: Transaction) -> None:
        held.set()
        assert release.wait(PATIENCE_SECONDS)

    def look_and_put(tx: Transaction) -> None:
        with closing(sqlite3.connect(database)) as other:
            others.append(other.execute("SELECT count(*) FROM tally").fetchone()[0])
        tx.tallies.put(TallyRow(PROGRAM, len(others), 1, TAG))

    busy = asyncio.create_task(store.transact(hold))
    assert await asyncio.to_thread(held.wait, PATIENCE_SECONDS)
    works = [asyncio.create_task(store.transact(look_and_put)) for _ in range(4)]
    await asyncio.sleep(0.02)
    release.set()
    await asyncio.gather(busy, *works)
    await store.close()
    assert others[0] == 0
    assert others[1:] == seen
