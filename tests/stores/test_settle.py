"""Settling waits for the writers of other processes, and for nobody else."""

import asyncio
import multiprocessing
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from tests.contracts.samples import PROGRAM
from tests.postgres import Cluster
from tests.stores import children
from tests.stores.patience import PATIENCE_SECONDS
from vault.errors import Unavailable
from vault.stores.postgres import Address, PostgresStore
from vault.stores.postgres import store as postgres_store
from vault.stores.postgres.activity import Writing
from vault.stores.postgres.frozen import moment, processes_using
from vault.stores.postgres.session import WRITER
from vault.stores.protocol import Store
from vault.stores.sqlite import store as sqlite_store

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
async def pg(address: Address) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore.open(address)
    yield opened
    await opened.close()


def writing(address: Address, name: str = WRITER) -> Connection[tuple[object, ...]]:
    """Begin a transaction on a connection with a name, as another vault has one."""
    connection = psycopg.connect(address.dsn, application_name=name)
    connection.execute("UPDATE process SET seen_ms = 0")
    return connection


async def wait_for_another_process(store: Store, kind: str, where: str) -> None:
    began, release = SPAWN.Event(), SPAWN.Event()
    writer = SPAWN.Process(target=children.write_slowly, args=(kind, where, began, release))
    writer.start()
    assert await asyncio.to_thread(began.wait, PATIENCE_SECONDS)
    settling = asyncio.create_task(store.settle())
    await asyncio.sleep(0.3)
    assert not settling.done()
    release.set()
    await settling
    assert len(await store.read(lambda tx: tx.tallies.get(PROGRAM))) == 1
    await asyncio.to_thread(writer.join, PATIENCE_SECONDS)
    assert writer.exitcode == 0


async def test_the_writer_of_another_process_on_the_file_is_waited_for(store: Store, database: Path) -> None:
    await wait_for_another_process(store, "sqlite", str(database))


async def test_the_writer_of_another_process_on_the_server_is_waited_for(pg: Store, address: Address) -> None:
    await wait_for_another_process(pg, "postgres", address.dsn)


async def test_work_that_does_not_end_is_not_waited_for_longer_than_said(
    store: Store, another: Store, address: Address, pg: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sqlite_store, postgres_store):
        monkeypatch.setattr(module, "SETTLE_SECONDS", 0.2)
    with writing(address):
        with pytest.raises(Unavailable) as caught:
            await pg.settle()
        assert caught.value.reason == "UNSETTLED"
    began, release = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        began.set()
        assert release.wait(PATIENCE_SECONDS)

    held = asyncio.create_task(another.transact(hold))
    assert await asyncio.to_thread(began.wait, PATIENCE_SECONDS)
    with pytest.raises(Unavailable) as caught:
        await store.settle()
    assert caught.value.reason == "UNSETTLED"
    release.set()
    await held
    for module in (sqlite_store, postgres_store):
        monkeypatch.setattr(module, "SETTLE_SECONDS", PATIENCE_SECONDS)
    for each in (store, pg):
        await each.settle()


async def test_a_session_that_works_without_pause_is_waited_for_once(
    address: Address, pg: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    writing_now = pg._writing_now

    async def look() -> Writing:
        found = await writing_now()
        looked.set()
        return found

    monkeypatch.setattr(pg, "_writing_now", look)
    connection = writing(address)
    settling = asyncio.create_task(pg.settle())
    await asyncio.wait_for(looked.wait(), PATIENCE_SECONDS)
    await asyncio.sleep(0.1)
    assert not settling.done()
    connection.commit()
    connection.execute("UPDATE process SET seen_ms = 1")  # another transaction, which has seen all that was committed
    async with asyncio.timeout(PATIENCE_SECONDS / 2):
        await settling
    connection.close()


@pytest.mark.parametrize("name", ["pg_dump", "cardvault"])
async def test_long_reads_and_other_programs_are_not_waited_for(address: Address, pg: PostgresStore, name: str) -> None:
    with writing(address, name), moment(address) as tx:
        tx.programs.all()
        await asyncio.wait_for(pg.settle(), PATIENCE_SECONDS / 2)


async def test_writers_of_another_database_are_not_waited_for(
    cluster: Cluster, template: str, pg: PostgresStore
) -> None:
    other = cluster.create(template)
    with writing(Address(cluster.dsn(other))):
        await asyncio.wait_for(pg.settle(), PATIENCE_SECONDS / 2)
    cluster.drop(other)


async def test_writers_that_cannot_be_seen_are_not_taken_for_idle(cluster: Cluster, address: Address) -> None:
    database = address.checked()["dbname"]
    cluster.execute("CREATE ROLE stranger LOGIN")
    try:
        cluster.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO stranger", database)
        strange = PostgresStore.open(address._replace(dsn=address.dsn.replace("user=cardvault", "user=stranger")))
        await strange.settle()
        with writing(address):
            with pytest.raises(Unavailable) as caught:
                await strange.settle()
            assert caught.value.reason == "ACTIVITY_UNSEEN"
            cluster.execute("GRANT pg_read_all_stats TO stranger")
            settling = asyncio.create_task(strange.settle())
            await asyncio.sleep(0.05)
            assert not settling.done()
        await settling
        await strange.close()
    finally:
        cluster.execute("DROP OWNED BY stranger", database)
        cluster.execute("DROP ROLE stranger")


@pytest.mark.parametrize("statements", [0, 100])
async def test_a_store_that_has_written_is_known_by_its_name(address: Address, statements: int) -> None:
    opened = PostgresStore.open(address._replace(statements=statements))
    seen = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"

    def count() -> object:
        with psycopg.connect(address.dsn, autocommit=True) as connection:
            return connection.execute(seen, [WRITER]).fetchone()

    assert await opened.transact(lambda _: count()) == (1,)
    assert await opened.read(lambda _: count()) == ((1,) if statements else (0,))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while processes_using(address) != 2:  # noqa: ASYNC110  its writer and its reader; an earlier one may linger
            await asyncio.sleep(0.005)
    await opened.close()
