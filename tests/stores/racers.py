"""What racing processes of these tests do; started by multiprocessing's spawn, so importable and plain."""

import asyncio
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest

from tests.contracts.samples import PROGRAM, TAG, code, new_id
from tests.stores.patience import PATIENCE_SECONDS, be_patient
from vault.model.rows import JobRow, TallyRow
from vault.stores.postgres import Address, PostgresStore
from vault.stores.protocol import Transaction

LEASE_SECONDS = 600


def _open(dsn: str) -> PostgresStore:
    """Open a store that tries for as long as a busy machine may keep others in its way."""
    be_patient(pytest.MonkeyPatch())
    return PostgresStore.open(Address(dsn), deadline_seconds=PATIENCE_SECONDS)


def count_up(dsn: str, times: int) -> None:
    """Add one to the same tally this often, by ten callers at a time."""

    def add(tx: Transaction) -> None:
        row = tx.tallies.get_locked(PROGRAM, 0)
        tx.tallies.put(TallyRow(PROGRAM, 0, row.live + 1 if row else 1, TAG))

    async def run() -> None:
        store = _open(dsn)
        for _ in range(times // 10):
            await asyncio.gather(*(store.transact(add) for _ in range(10)))
        await store.close()

    asyncio.run(run())


def claim_all(dsn: str, count: int, answer: Connection) -> None:
    """Claim the same digests as everyone else, a few at a time, and tell which were won."""

    def claim(first: int) -> set[int]:
        rows = {number.to_bytes(32, "big"): number for number in range(first, first + 20)}

        def work(tx: Transaction) -> set[int]:
            taken = tx.codes.claim([code(digest, new_id()) for digest in rows])
            return {rows[digest] for digest in rows.keys() - taken}

        return asyncio.run_coroutine_threadsafe(store.transact(work), loop).result()

    async def run() -> set[int]:
        parts = await asyncio.gather(*(asyncio.to_thread(claim, first) for first in range(0, count, 20)))
        return set().union(*parts)

    loop = asyncio.new_event_loop()
    store = _open(dsn)
    answer.send(loop.run_until_complete(run()))
    loop.run_until_complete(store.close())
    loop.close()


def lease_until_none(dsn: str, owners: int, answer: Connection) -> None:
    """Lease jobs for a row of owners, one each, and tell the jobs' ids."""

    def lease(owner: bytes) -> Callable[[Transaction], JobRow | None]:
        return lambda tx: tx.jobs.lease(owner, LEASE_SECONDS)

    async def run() -> list[bytes]:
        store = _open(dsn)
        jobs = await asyncio.gather(*(store.transact(lease(new_id())) for _ in range(owners)))
        await store.close()
        return [job.job_id for job in jobs if job is not None]

    answer.send(asyncio.run(run()))
