"""Settling: whoever commits and then settles knows that all that is committed later has seen it."""

import asyncio
import itertools
import threading
from functools import partial

import pytest

from tests.contracts.samples import PROGRAM, TAG
from vault.errors import Unavailable
from vault.model.rows import TallyRow
from vault.stores.protocol import Store, Transaction


class _Slow:
    """Work that has read the catalogue number, and waits until it may write what it read."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.release = threading.Event()

    def write(self, tx: Transaction) -> None:
        """Be in the way of nobody, unless the store has one writer only."""
        seen = tx.vault.catalogue_number()
        self.began.set()
        assert self.release.wait(80)
        tx.tallies.put(TallyRow(PROGRAM, 1, seen, TAG))

    def read(self, tx: Transaction) -> None:
        tx.tallies.get(PROGRAM)
        self.began.set()
        assert self.release.wait(80)


class SettleContract:
    async def test_a_store_at_rest_is_settled_at_once(self, store: Store, another: Store) -> None:
        await another.transact(lambda tx: tx.vault.bump_catalogue())
        async with asyncio.timeout(60):
            await store.settle()
            await asyncio.gather(*(one.settle() for one in (store, another) for _ in range(20)))

    async def test_work_that_began_earlier_elsewhere_is_waited_for(self, store: Store, another: Store) -> None:
        slow = _Slow()
        writing = asyncio.create_task(another.transact(slow.write))
        assert await asyncio.to_thread(slow.began.wait, 60)
        settling = asyncio.create_task(store.settle())
        await asyncio.sleep(0.2)
        assert not settling.done()
        slow.release.set()
        await settling
        assert [row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))] == [0]
        await writing

    async def test_work_that_began_earlier_here_is_waited_for(self, store: Store) -> None:
        slow = _Slow()
        writing = asyncio.create_task(store.transact(slow.write))
        assert await asyncio.to_thread(slow.began.wait, 60)
        settling = asyncio.create_task(store.settle())
        await asyncio.sleep(0.05)
        assert not settling.done()
        slow.release.set()
        await settling
        assert len(await store.read(lambda tx: tx.tallies.get(PROGRAM))) == 1
        await writing

    async def test_reading_is_not_waited_for(self, store: Store, another: Store) -> None:
        slow = _Slow()
        reading = asyncio.create_task(another.read(slow.read))
        assert await asyncio.to_thread(slow.began.wait, 60)
        async with asyncio.timeout(60):
            await store.settle()
        assert not reading.done()
        slow.release.set()
        await reading

    async def test_what_is_committed_after_settling_has_seen_what_was_committed_before(
        self, store: Store, another: Store
    ) -> None:
        stop = asyncio.Event()
        slots = itertools.count()

        def write_seen(slot: int, tx: Transaction) -> None:
            tx.tallies.put(TallyRow(PROGRAM, slot, tx.vault.catalogue_number(), TAG))

        async def work() -> None:
            while not stop.is_set():
                await another.transact(partial(write_seen, next(slots)))

        async def written() -> dict[int, int]:
            return {row.slot: row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))}

        working = [asyncio.create_task(work()) for _ in range(4)]
        for number in range(1, 11):
            await store.transact(lambda tx: tx.vault.bump_catalogue())
            await store.settle()
            before = now = await written()
            while len(now) < len(before) + 4:
                now = await written()
            assert {seen for slot, seen in now.items() if slot not in before} == {number}
        stop.set()
        await asyncio.gather(*working)

    async def test_a_closed_store_does_not_settle(self, store: Store) -> None:
        await store.close()
        with pytest.raises(Unavailable):
            await store.settle()
