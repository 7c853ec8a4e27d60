"""Transactions: all or nothing, durable, apart from each other, and callbacks when they are lost."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from tests.contracts.samples import PROGRAM, TAG, batch, card, new_id, program, request
from vault.errors import AlreadyExists, Unavailable
from vault.model.rows import CardRow, TallyRow
from vault.stores.protocol import Store, Transaction


def put(slot: int, live: int = 1) -> Callable[[Transaction], int]:
    def work(tx: Transaction) -> int:
        tx.tallies.put(TallyRow(PROGRAM, slot, live, TAG))
        return slot

    return work


async def slots(store: Store) -> dict[int, int]:
    return {row.slot: row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))}


class _Wrong(Exception):
    pass


class TransactionContract:
    async def test_work_returns_its_result_and_its_writes_are_there_for_others(
        self, store: Store, another: Store
    ) -> None:
        assert await store.transact(put(7)) == 7
        assert await slots(another) == {7: 1}

    async def test_work_sees_what_it_wrote(self, store: Store) -> None:
        def work(tx: Transaction) -> int:
            put(1, 41)(tx)
            row = tx.tallies.get_locked(PROGRAM, 1)
            assert row is not None
            return row.live

        assert await store.transact(work) == 41

    async def test_work_that_raises_leaves_nothing(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.programs.insert(program())
            put(1)(tx)
            raise _Wrong

        with pytest.raises(_Wrong):
            await store.transact(work)
        assert await slots(store) == {}
        assert await store.read(lambda tx: tx.programs.all()) == []

    async def test_work_may_go_on_after_a_key_was_taken(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.requests.insert(request(b"1" * 16))
            with pytest.raises(AlreadyExists):
                tx.requests.insert(request(b"1" * 16))
            put(1)(tx)

        await store.transact(work)
        assert await slots(store) == {1: 1}

    async def test_a_thousand_at_once_all_happen(self, store: Store) -> None:
        results = await asyncio.gather(*(store.transact(put(slot)) for slot in range(1000)))
        assert results == list(range(1000))
        assert set(await slots(store)) == set(range(1000))

    async def test_concurrent_counts_lose_none(self, store: Store, another: Store) -> None:
        def count(tx: Transaction) -> None:
            row = tx.tallies.get_locked(PROGRAM, 0)
            tx.tallies.put(TallyRow(PROGRAM, 0, row.live + 1 if row else 1, TAG))

        await store.transact(count)
        await asyncio.gather(*(one.transact(count) for one in (store, another) for _ in range(100)))
        assert await slots(store) == {0: 201}

    async def test_changes_of_one_card_from_what_was_read_lose_none(self, store: Store, another: Store) -> None:
        row, batch_row = card(new_id()), batch(new_id())

        def prepare(tx: Transaction) -> None:
            tx.cards.insert([row])
            tx.batches.insert(batch_row)

        def change(tx: Transaction) -> None:
            (now,) = tx.cards.get(PROGRAM, [row.card_id]).values()
            tx.cards.update([now._replace(revision=now.revision + 1)])
            held = tx.batches.get(batch_row.batch_id)
            assert held is not None
            tx.batches.update(held._replace(revision=held.revision + 1))

        await store.transact(prepare)
        await asyncio.gather(*(one.transact(change) for one in (store, another) for _ in range(50)))
        (now,) = (await store.read(lambda tx: tx.cards.get(PROGRAM, [row.card_id]))).values()
        held = await store.read(lambda tx: tx.batches.get(batch_row.batch_id))
        assert now.revision == 101
        assert held is not None
        assert held.revision == 101

    async def test_works_that_change_the_same_cards_in_opposite_order_all_happen(
        self, store: Store, another: Store
    ) -> None:
        rows = [card(new_id()) for _ in range(4)]

        def change(order: list[CardRow]) -> Callable[[Transaction], None]:
            def work(tx: Transaction) -> None:
                for row in order:
                    (now,) = tx.cards.get(PROGRAM, [row.card_id]).values()
                    tx.cards.update([now._replace(revision=now.revision + 1)])

            return work

        await store.transact(lambda tx: tx.cards.insert(rows))
        works = [
            one.transact(change(order)) for one, order in ((store, rows), (another, rows[::-1])) for _ in range(10)
        ]
        await asyncio.gather(*works)
        found = await store.read(lambda tx: tx.cards.get(PROGRAM, [row.card_id for row in rows]))
        assert {row.revision for row in found.values()} == {21}

    async def test_of_works_that_wait_together_one_that_raises_is_undone_alone(self, store: Store) -> None:
        order: list[str] = []

        def work(slot: int) -> Callable[[Transaction], int]:
            def run(tx: Transaction) -> int:
                order.append(f"work {slot}")
                tx.on_failure(lambda: order.append(f"first callback of {slot}"))
                tx.on_failure(lambda: order.append(f"second callback of {slot}"))
                put(slot)(tx)
                if slot == 2:
                    raise _Wrong
                return slot

            return run

        async with _held(store):
            waiting = [asyncio.create_task(store.transact(work(slot))) for slot in (1, 2, 3)]
            await asyncio.sleep(0.02)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert results[0] == 1
        assert isinstance(results[1], _Wrong)
        assert results[2] == 3
        assert set(await slots(store)) == {1, 3}
        failed = order.index("work 2")
        assert order[failed + 1 : failed + 3] == ["second callback of 2", "first callback of 2"]
        assert len(order) == 5

    async def test_callbacks_stay_silent_when_the_work_is_durable(self, store: Store) -> None:
        calls: list[str] = []
        await store.transact(lambda tx: tx.on_failure(lambda: calls.append("called")))
        assert calls == []

    async def test_a_callback_that_raises_keeps_the_works_own_error(self, store: Store) -> None:
        calls: list[str] = []

        def broken() -> None:
            raise KeyError

        def work(tx: Transaction) -> None:
            tx.on_failure(lambda: calls.append("called"))
            tx.on_failure(broken)
            raise _Wrong

        with pytest.raises(_Wrong):
            await store.transact(work)
        assert calls == ["called"]
        assert await store.transact(put(1)) == 1

    async def test_who_stops_waiting_disturbs_nobody(self, store: Store) -> None:
        async with _held(store):
            waiting = [asyncio.create_task(store.transact(put(slot))) for slot in (1, 2)]
            await asyncio.sleep(0.02)
            waiting[0].cancel()
        assert await waiting[1] == 2
        assert waiting[0].cancelled()
        assert await store.transact(put(3)) == 3

    async def test_even_stop_iteration_comes_back(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            raise StopIteration

        with pytest.raises(RuntimeError):
            await store.transact(work)
        with pytest.raises(RuntimeError):
            await store.read(work)

    async def test_a_read_sees_one_snapshot(self, store: Store) -> None:
        await store.transact(put(1, 10))
        began, written = threading.Event(), threading.Event()

        def twice(tx: Transaction) -> list[int]:
            seen = [tx.tallies.get(PROGRAM)[0].live]
            began.set()
            assert written.wait(60)
            return [*seen, tx.tallies.get(PROGRAM)[0].live]

        reading = asyncio.create_task(store.read(twice))
        assert await asyncio.to_thread(began.wait, 60)
        await store.transact(put(1, 20))
        written.set()
        assert await reading == [10, 10]
        assert await slots(store) == {1: 20}

    async def test_a_read_may_not_write(self, store: Store) -> None:
        with pytest.raises(Exception):  # noqa: B017, PT011  a mistake of ours, in each driver's own words
            await store.read(put(1))
        assert await slots(store) == {}

    async def test_a_read_that_raises_harms_no_other(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            raise _Wrong

        found = await asyncio.gather(store.read(work), slots(store), store.read(work), return_exceptions=True)
        assert found[1] == {}

    async def test_closing_finishes_what_was_begun_and_refuses_more(self, store: Store, another: Store) -> None:
        waiting = [asyncio.create_task(store.transact(put(slot))) for slot in range(10)]
        await asyncio.sleep(0)
        await store.close()
        assert await asyncio.gather(*waiting) == list(range(10))
        with pytest.raises(Unavailable):
            await store.transact(put(11))
        with pytest.raises(Unavailable):
            await store.read(lambda tx: tx.programs.all())
        await store.close()
        assert set(await slots(another)) == set(range(10))


class _held:  # noqa: N801  used as a word: async with _held(store)
    """Keeps the store's writer busy, so that works submitted meanwhile wait together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._began = threading.Event()
        self._release = threading.Event()

    async def __aenter__(self) -> None:
        def work(tx: Transaction) -> None:
            self._began.set()
            assert self._release.wait(60)

        self._busy = asyncio.create_task(self._store.transact(work))
        assert await asyncio.to_thread(self._began.wait, 60)

    async def __aexit__(self, *_: object) -> None:
        self._release.set()
        await self._busy
