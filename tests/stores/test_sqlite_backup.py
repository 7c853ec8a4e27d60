"""A copy of a database file that is being written to, and one moment of it."""

import asyncio
import multiprocessing
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.contracts.samples import card, new_id
from tests.stores import children
from tests.stores.patience import PATIENCE_SECONDS
from vault.errors import IntegrityFailure, Unavailable
from vault.model.shape import SHAPES
from vault.stores.protocol import Store, Transaction
from vault.stores.sqlite import SqliteStore, backup, frozen


def put_pair(tx: Transaction) -> None:
    """Write two cards that name each other, in two statements."""
    ids = [new_id(), new_id()]
    for one, other in (ids, ids[::-1]):
        tx.cards.insert([card(one)._replace(redemption_id=other, sealed_record=bytes(4000))])


def put_pairs(tx: Transaction) -> None:
    """Write a hundred pairs."""
    for _ in range(100):
        put_pair(tx)


def nowhere(done: int, total: int) -> None:
    """Watch nothing."""


def new_file(path: Path) -> Path:
    path.touch(mode=0o600)
    return path


async def test_a_copy_under_steady_commits_is_one_moment_and_is_not_begun_again(
    store: Store, database: Path, tmp_path: Path
) -> None:
    """Each step of the copy is followed by commits of this process and of another one."""
    for _ in range(20):
        await store.transact(put_pairs)
    spawn = multiprocessing.get_context("spawn")
    theirs, ours = spawn.Pipe(duplex=True)
    other = spawn.Process(target=children.write_and_tell, args=(database, theirs))
    other.start()
    steps: list[int] = []

    def watch(done: int, total: int) -> None:
        steps.append(done)
        ours.recv_bytes()
        asyncio.run_coroutine_threadsafe(store.transact(put_pair), loop).result(PATIENCE_SECONDS)

    loop = asyncio.get_running_loop()
    copy = new_file(tmp_path / "copy")
    try:
        assert ours.poll(PATIENCE_SECONDS)
        before = await store.read(lambda tx: tx.tables.count(SHAPES["card"]))
        await asyncio.to_thread(backup.copy, database, copy, watch)
    finally:
        other.kill()
        other.join()
    assert len(steps) >= 2
    assert steps == sorted(steps), "a copy that is begun again has less done than before"
    with frozen.moment(copy) as tx:
        cards = tx.tables.page(SHAPES["card"], None, 1_000_000)
    found = {row.card_id: row.redemption_id for row in cards}
    assert len(found) >= before
    assert all(found[found[card_id]] == card_id for card_id in found), "half of a commit was copied"


async def test_a_copy_is_one_whole_file_for_its_owner(store: Store, database: Path, tmp_path: Path) -> None:
    await store.transact(put_pair)
    folder = tmp_path / "backups"
    folder.mkdir()
    copy = new_file(folder / "copy")
    backup.copy(database, copy, nowhere)
    backup.check_pages(copy)
    assert [path.name for path in folder.iterdir()] == ["copy"]
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    copy.chmod(0o400)
    with frozen.moment(copy) as tx:
        assert tx.tables.count(SHAPES["card"]) == 2
    assert [path.name for path in folder.iterdir()] == ["copy"]


def test_what_is_no_database_is_not_copied(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"no database\n" * 1000)
    with pytest.raises(IntegrityFailure):
        backup.copy(text, new_file(tmp_path / "copy"), nowhere)
    with pytest.raises(Unavailable):
        backup.copy(tmp_path / "absent", new_file(tmp_path / "other"), nowhere)


async def test_a_damaged_index_is_noticed(store: SqliteStore, database: Path, tmp_path: Path) -> None:
    await store.transact(lambda tx: tx.cards.insert([card(new_id(), new_id(), 1)]))
    copy = new_file(tmp_path / "copy")
    backup.copy(database, copy, nowhere)
    connection = sqlite3.connect(copy)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'card_batch'").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with copy.open("r+b") as file:
        file.seek(page * size - 8)
        file.write(b"\xff" * 8)
    with pytest.raises(IntegrityFailure):
        backup.check_pages(copy)


async def test_a_moment_does_not_move_and_writes_nothing(store: Store, database: Path) -> None:
    await store.transact(put_pair)
    with frozen.moment(database) as tx:
        assert tx.tables.count(SHAPES["card"]) == 2
        await store.transact(put_pair)
        assert tx.tables.count(SHAPES["card"]) == 2
        with pytest.raises(sqlite3.OperationalError):
            tx.vault.bump_catalogue()
    with frozen.moment(database) as tx:
        assert tx.tables.count(SHAPES["card"]) == 4


async def test_writers_wait_while_there_are_to_be_none_and_readers_do_not(store: Store, database: Path) -> None:
    with frozen.no_writers(database):
        writing = asyncio.create_task(store.transact(put_pair))
        await asyncio.sleep(0.2)
        assert not writing.done()
        assert await store.read(lambda tx: tx.tables.count(SHAPES["card"])) == 0
    await asyncio.wait_for(writing, PATIENCE_SECONDS)


def test_another_process_that_has_the_database_open_is_known(database: Path) -> None:
    assert frozen.process_using(database) is None
    spawn = multiprocessing.get_context("spawn")
    theirs, ours = spawn.Pipe(duplex=True)
    other = spawn.Process(target=children.write_and_tell, args=(database, theirs))
    other.start()
    try:
        assert ours.poll(PATIENCE_SECONDS)
        assert frozen.process_using(database) == other.pid != os.getpid()
    finally:
        other.kill()
        other.join()
    assert frozen.process_using(database) is None


def test_a_settled_database_is_one_file(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE late (a)")
    connection.close()
    backup.settle(database)
    assert not [path for path in database.parent.iterdir() if path.name.endswith(("-wal", "-shm", "-journal"))]
    assert database.read_bytes()[18:20] == b"\x01\x01", "the header asks for no WAL"
