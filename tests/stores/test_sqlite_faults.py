"""What the machine does to the SQLite store, and what its callers see."""

import asyncio
import fcntl
import resource
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.samples import PROGRAM, TAG, card, new_id
from tests.stores.patience import PATIENCE_SECONDS
from vault.errors import Unavailable
from vault.model.rows import TallyRow
from vault.stores.protocol import Store, Transaction
from vault.stores.sqlite import checkpoint, writer
from vault.stores.sqlite.fault import translated, undone
from vault.stores.sqlite.turn import Turn


def put(slot: int) -> Callable[[Transaction], None]:
    return lambda tx: tx.tallies.put(TallyRow(PROGRAM, slot, 1, TAG))


async def slots(store: Store) -> set[int]:
    return {row.slot for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))}


def wal_size(database: Path) -> int:
    return Path(f"{database}-wal").stat().st_size


@contextmanager
def no_file_may_grow_past(size: int) -> Iterator[None]:
    """Have the kernel refuse to write past a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_commit_that_fails_undoes_all_its_works_and_calls_back_the_newest_first(
    database: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GROUP_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(checkpoint, "PAUSE_SECONDS", 10 * PATIENCE_SECONDS)  # what is copied, SQLite writes over
    await store.transact(put(0))
    order: list[str] = []
    held, release = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        held.set()
        assert release.wait(PATIENCE_SECONDS)

    def work(slot: int) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            order.append(f"work {slot}")
            tx.on_failure(lambda: order.append(f"callback {slot}"))
            put(slot)(tx)

        return run

    busy = asyncio.create_task(store.transact(hold))
    assert await asyncio.to_thread(held.wait, PATIENCE_SECONDS)
    works = [asyncio.create_task(store.transact(work(slot))) for slot in (1, 2, 3)]
    await asyncio.sleep(0.02)
    with no_file_may_grow_past(wal_size(database)):
        release.set()
        results = await asyncio.gather(busy, *works, return_exceptions=True)
    assert results[0] is None, "work that wrote nothing needs no disk"
    for result in results[1:]:
        assert isinstance(result, Unavailable)
        assert "outcome is unknown" in result.message
        assert result.retry_seconds is not None
    assert len({id(result) for result in results[1:]}) == 3
    assert order == ["work 1", "work 2", "work 3", "callback 3", "callback 2", "callback 1"]
    assert await slots(store) == {0}
    await store.transact(put(4))
    assert await slots(store) == {0, 4}


async def test_a_full_database_is_unavailable_and_takes_the_next_work_when_there_is_room(store: Store) -> None:
    calls: list[str] = []

    def limit(tx: Any, pages: int) -> None:
        tx.cards._table.execute(f"PRAGMA max_page_count = {pages}").fetchall()

    def fill(tx: Transaction) -> None:
        tx.on_failure(lambda: calls.append("called"))
        tx.cards.insert([card(new_id())._replace(sealed_record=bytes(60_000)) for _ in range(10)])

    await store.transact(lambda tx: limit(tx, 1))  # SQLite takes the present size for one below it
    with pytest.raises(Unavailable, match="disk is full"):
        await store.transact(fill)
    assert calls == ["called"]
    results = await asyncio.gather(*(store.transact(fill) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) for result in results)
    assert calls == ["called"] * 4
    await store.transact(lambda tx: limit(tx, 1_000_000))
    await store.transact(fill)
    assert len(await store.read(lambda tx: tx.cards.page(PROGRAM, b"", 100))) == 10


async def test_a_file_that_another_program_keeps_locked_is_unavailable(database: Path, store: Any) -> None:
    await store.transact(lambda tx: tx.cards._table.execute("PRAGMA busy_timeout = 20").fetchall())
    stranger = sqlite3.connect(database, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    results = await asyncio.gather(*(store.transact(put(slot)) for slot in range(50)), return_exceptions=True)
    assert all(isinstance(result, Unavailable) and "locked" in result.message for result in results)
    assert await slots(store) == set(), "reading goes on"
    stranger.execute("ROLLBACK")
    stranger.close()
    await store.transact(put(1))
    assert await slots(store) == {1}


async def test_work_that_ends_the_transaction_itself_is_not_taken_for_durable(store: Any) -> None:
    calls: list[str] = []

    def work(tx: Any) -> None:
        tx.on_failure(lambda: calls.append("called"))
        tx.cards._table.execute("ROLLBACK")

    with pytest.raises(Unavailable):
        await store.transact(work)
    assert calls == ["called"]
    await store.transact(put(1))


async def test_a_mistake_in_our_own_statement_stays_what_it_is(store: Any) -> None:
    for run in (store.transact, store.read):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await run(lambda tx: tx.cards._table.execute("SELECT 1 FROM absent"))
    text: Any = "x"
    with pytest.raises(sqlite3.IntegrityError, match="TEXT value in INTEGER"):
        await store.transact(lambda tx: tx.tallies.put(TallyRow(PROGRAM, text, 1, TAG)))


def test_faults_say_what_happened_and_when_to_try_again() -> None:
    error = sqlite3.OperationalError("disk I/O error on a secret value")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
    for ours in (translated(error), undone(error)):
        assert isinstance(ours, Unavailable)
        assert ours.retry_seconds == 5.0
        assert "secret" not in ours.message
        assert ours.__cause__ is error
    assert undone(OSError()).retry_seconds == 1.0
    ours_already = KeyError()
    assert translated(ours_already) is ours_already


def test_whoever_wants_the_turn_again_stands_behind_whoever_waits(database: Path) -> None:
    order: list[str] = []
    busy, waiting = Turn(database), Turn(database)

    def wait_for_it() -> None:
        with waiting:
            order.append("the other")

    def someone_is_next() -> bool:
        with Path(f"{database}.next").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    other = threading.Thread(target=wait_for_it)
    with busy:
        other.start()
        while not someone_is_next():
            time.sleep(0.001)
    with busy:
        order.append("again")
    other.join()
    assert order == ["the other", "again"]
    busy.close()
    waiting.close()
