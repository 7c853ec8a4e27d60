"""What PostgreSQL and the way to it do to the store, and what its callers see."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import psycopg
import pytest

from tests.contracts.samples import PROGRAM, TAG, code, new_id, request
from tests.postgres import Cluster
from tests.stores.conflicts import conflicting_store
from tests.stores.patience import PATIENCE_SECONDS
from vault.errors import Unavailable
from vault.model.rows import TallyRow
from vault.stores.postgres import Address, PostgresStore, migrate, writer
from vault.stores.protocol import Store, Transaction

DEADLINE_SECONDS = 8.0
"""As long as a busy machine may need; the deadline is looked after eight times in it."""

CUT_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, 'cardvault')"


def put(slot: int) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        tx.tallies.put(TallyRow(PROGRAM, slot, 1, TAG))
        return slot

    return work


async def slots(store: Store) -> set[int]:
    return {row.slot for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))}


@pytest.fixture
async def store(address: Address) -> AsyncIterator[PostgresStore]:
    opened = PostgresStore.open(address, deadline_seconds=DEADLINE_SECONDS)
    yield opened
    await opened.close()


@pytest.fixture
def database(address: Address) -> str:
    return str(address.checked()["dbname"])


async def test_a_connection_lost_between_works_is_not_noticed(
    cluster: Cluster, database: str, store: PostgresStore
) -> None:
    await store.transact(put(1))
    assert await slots(store) == {1}
    cluster.execute(CUT_ALL, database)
    await store.transact(put(2))
    assert await slots(store) == {1, 2}


async def test_work_whose_connection_is_lost_before_its_commit_runs_again(
    cluster: Cluster, database: str, store: PostgresStore
) -> None:
    order: list[str] = []

    def work(tx: Transaction) -> None:
        order.append("work")
        tx.on_failure(lambda: order.append("callback"))
        put(1)(tx)
        if len(order) == 1:
            cluster.execute(CUT_ALL, database)
        put(2)(tx)

    await store.transact(work)
    assert order == ["work", "callback", "work"]
    assert await slots(store) == {1, 2}


async def test_a_read_whose_connection_is_lost_runs_again(
    cluster: Cluster, database: str, store: PostgresStore
) -> None:
    await store.transact(put(1))
    runs: list[int] = []

    def work(tx: Transaction) -> int:
        runs.append(1)
        if len(runs) == 1:
            cluster.execute(CUT_ALL, database)
        return len(tx.tallies.get(PROGRAM))

    assert await store.read(work) == 1
    assert len(runs) == 2


async def test_a_connection_lost_in_the_commit_leaves_the_outcome_unknown(
    cluster: Cluster, database: str, store: Any
) -> None:
    calls: list[str] = []

    def work(tx: Any) -> None:
        tx.on_failure(lambda: calls.append("called"))
        session = tx.cards._table._session
        commit = session.commit

        def commit_over_a_cut_line() -> None:
            session.commit = commit
            cluster.execute(CUT_ALL, database)
            commit()

        session.commit = commit_over_a_cut_line
        put(1)(tx)

    with pytest.raises(Unavailable, match="outcome is unknown") as caught:
        await store.transact(work)
    assert caught.value.retry_seconds is not None
    assert calls == ["called"]
    await store.transact(put(2))
    assert await slots(store) == {2}


async def test_a_statement_past_its_deadline_costs_its_connection_and_no_other(store: Any) -> None:
    calls: list[str] = []

    def sleep(tx: Any) -> None:
        """Run a statement far longer than its own deadline, which is shorter than that of the others."""
        session = tx.cards._table._session
        session._line.seconds = 0.2
        try:
            session.run("SELECT pg_sleep(200)")
        finally:
            session._line.seconds = DEADLINE_SECONDS

    def work(tx: Any) -> None:
        tx.on_failure(lambda: calls.append("called"))
        put(1)(tx)
        sleep(tx)

    async with asyncio.timeout(PATIENCE_SECONDS):
        for run, late in ((store.transact, work), (store.read, sleep)):
            with pytest.raises(Unavailable):
                await run(late)
    assert calls == ["called"]
    await store.transact(put(2))
    assert await slots(store) == {2}


async def test_a_mistake_in_our_own_statement_stays_one_without_the_values_in_it(store: Any) -> None:
    for run in (store.transact, store.read):
        with pytest.raises(psycopg.ProgrammingError, match="SQLSTATE 42P01") as caught:
            await run(lambda tx: tx.cards._table.run("SELECT 1 FROM absent"))
        assert "absent" not in str(caught.value)
    row = code(b"\xab" * 32, new_id())._replace(sealed_code=None)  # type: ignore[arg-type]
    with pytest.raises(psycopg.IntegrityError) as refused:
        await store.transact(lambda tx: tx.codes.claim([row]))
    assert "abab" not in repr(refused.value) + repr(refused.value.__cause__) + repr(refused.value.__context__)


async def test_a_claim_that_collides_gets_no_digest_into_the_servers_log(cluster: Cluster, store: Any) -> None:
    rows = sorted(code(bytes([number // 256, number % 256]) * 16, new_id()) for number in range(600))
    await store.transact(lambda tx: tx.codes.claim(rows[100:300]))
    assert len(await store.transact(lambda tx: tx.codes.claim(rows))) == 200
    assert rows[200].digest.hex() not in cluster.log.read_text(errors="replace")


async def test_work_that_ends_the_transaction_itself_is_not_taken_for_durable(store: Any) -> None:
    calls: list[str] = []

    def work(tx: Any) -> None:
        tx.on_failure(lambda: calls.append("called"))
        tx.cards._table._session.command("ROLLBACK")

    with pytest.raises(Unavailable):
        await store.transact(work)
    assert calls == ["called"]
    await store.transact(put(1))


async def test_work_that_hides_a_failed_statement_is_not_committed(store: Any) -> None:
    def work(tx: Any) -> None:
        put(1)(tx)
        with contextlib.suppress(psycopg.Error):
            tx.cards._table.run("SELECT 1/0")

    with pytest.raises(psycopg.Error):
        await store.transact(work)
    assert await slots(store) == set()


@pytest.mark.parametrize("statement", range(1, 9))
async def test_a_conflict_in_any_statement_or_commit_has_the_work_run_again(address: Address, statement: int) -> None:
    store, session = conflicting_store(address, None)
    order: list[str] = []

    def work(tx: Transaction) -> int:
        order.append("work")
        tx.on_failure(lambda: order.append("callback"))
        for slot in (1, 2, 3):
            assert tx.tallies.get_locked(PROGRAM, slot) is None
            put(slot)(tx)
        return 7

    session.fail_at = {statement}
    assert await store.transact(work) == 7
    assert order == (["work", "callback", "work"] if statement <= 7 else ["work"])
    assert await slots(store) == {1, 2, 3}
    await store.close()


async def test_endless_conflicts_end_as_unavailable_with_a_time_to_try_again(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.3)
    store, session = conflicting_store(address, None)
    session.fail_at = range(1, 1_000_000)
    with pytest.raises(Unavailable) as caught:
        await store.transact(put(1))
    assert caught.value.reason == "CONTENDED"
    assert caught.value.retry_seconds is not None
    session.fail_at = ()
    await store.transact(put(2))
    assert await slots(store) == {2}
    await store.close()


async def test_without_prepared_statements_settings_travel_with_each_transaction(address: Address) -> None:
    store = PostgresStore.open(address._replace(statements=0))

    def settings(tx: Any) -> list[str]:
        run = tx.cards._table.run
        names = ("enable_seqscan", "lock_timeout", "synchronous_commit", "transaction_isolation")
        return [run(f"SHOW {name}").fetchone()[0] for name in names]

    assert await store.transact(settings) == ["off", "250ms", "on", "repeatable read"]
    assert await store.look(settings) == ["off", "250ms", "on", "repeatable read"]
    rows = sorted(code(bytes([number]) * 32, new_id()) for number in range(20))
    assert await store.transact(lambda tx: tx.codes.claim(rows)) == set()
    counting: Any = lambda tx: tx.cards._table.run("SELECT count(*) FROM pg_prepared_statements").fetchone()  # noqa: E731
    assert await store.transact(counting) == (0,)
    await store.close()


@pytest.mark.parametrize("off", ["hashagg", "material", "sort", "indexscan", "bitmapscan", "hashagg,sort,material"])
async def test_a_sweep_keeps_to_its_limit_whatever_the_plan(
    cluster: Cluster, database: str, address: Address, off: str
) -> None:
    for name in off.split(","):
        cluster.execute(f"ALTER DATABASE {database} SET enable_{name} = off")
    store = PostgresStore.open(address)
    rows = [request(bytes([number]) * 16, created_ms=number) for number in range(1, 8)]
    await store.transact(lambda tx: tx.requests.insert_all(rows))
    swept = [await store.transact(lambda tx: tx.requests.sweep(6, 2)) for _ in range(4)]
    assert swept == [2, 2, 1, 0]
    await store.close()
    cluster.execute(f"ALTER DATABASE {database} RESET ALL")


async def test_a_database_that_answers_before_the_disk_is_told_to_wait(cluster: Cluster, address: Address) -> None:
    cluster.execute(f"ALTER DATABASE {address.checked()['dbname']} SET synchronous_commit = off")
    store: Any = PostgresStore.open(address)
    assert (await store.transact(lambda tx: tx.cards._table.run("SHOW synchronous_commit").fetchone())) == ("on",)
    await store.close()
    cluster.execute(f"ALTER DATABASE {address.checked()['dbname']} RESET ALL")


@pytest.fixture
def durable() -> Iterator[Cluster]:
    made = Cluster(durable=True, max_wal_senders="2", wal_level="replica")
    try:
        made.start()
        migrate(Address(made.dsn()))
        yield made
    finally:
        made.stop()


async def test_a_server_killed_again_and_again_loses_nothing_acknowledged(durable: Cluster) -> None:
    store = PostgresStore.open(Address(durable.dsn()), deadline_seconds=5)
    acknowledged: set[int] = set()
    enough = 40
    stop = threading.Event()

    async def work(first: int) -> None:
        slot = first
        while not stop.is_set():
            with contextlib.suppress(Unavailable):
                acknowledged.add(await store.transact(put(slot)))
            slot += 8
            await asyncio.sleep(0)

    async def more_are_acknowledged() -> None:
        before = len(acknowledged)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(acknowledged) <= before + enough:  # noqa: ASYNC110  the callers tell nobody
                await asyncio.sleep(0.005)

    works = [asyncio.create_task(work(first)) for first in range(8)]
    for _ in range(3):
        await more_are_acknowledged()
        await asyncio.to_thread(durable.kill)
        await asyncio.to_thread(durable.start)
        await more_are_acknowledged()
    stop.set()
    await asyncio.gather(*works)
    assert acknowledged <= await slots(store)
    await store.close()


async def test_a_commit_that_no_standby_confirms_is_never_taken_for_done(durable: Cluster) -> None:
    store = PostgresStore.open(Address(durable.dsn()), deadline_seconds=5)
    await store.transact(put(1))
    durable.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    durable.execute("SELECT pg_reload_conf()")

    async def commit_until_it_is_in_force() -> None:
        """Commit again and again: the server's processes read what they are told each in its own time."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                await store.transact(put(2))
                await asyncio.sleep(0.05)

    with pytest.raises(Unavailable, match="outcome is unknown"):
        await commit_until_it_is_in_force()
    waiting = asyncio.create_task(store.transact(put(3)))
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    while not waiting.done():
        durable.execute(cancel)
        await asyncio.sleep(0.02)
    with pytest.raises(Unavailable, match="outcome is unknown"):
        await waiting
    await store.close()
