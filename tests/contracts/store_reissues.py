"""Re-issued cards and their packages, exchanges, sale secrets, attempts, and uses of superseded codes."""

import asyncio

import pytest

from tests.contracts.samples import PROGRAM, TAG, exchange, new_id, package, reissue, sale_secret, superseded_use
from vault.errors import AlreadyExists
from vault.model.incident_rows import AttemptRow
from vault.stores.protocol import Store, Transaction


class ReissueContract:
    async def test_a_job_has_a_card_once_and_its_cards_come_by_id(self, store: Store) -> None:
        ids = sorted(new_id() for _ in range(300))
        one, other = new_id(), new_id()
        rows = [reissue(one, card_id) for card_id in ids]

        def work(tx: Transaction) -> None:
            tx.reissues.insert([])
            tx.reissues.insert(rows[::-1])
            tx.reissues.insert([reissue(other, ids[0], 3)])
            with pytest.raises(AlreadyExists):
                tx.reissues.insert([reissue(one, bytes([0xFF] * 16)), rows[5]])  # the first of the two may stay

        await store.transact(work)
        wanted = [ids[4], ids[2], new_id()]
        assert await store.read(lambda tx: tx.reissues.get(one, wanted)) == {ids[2]: rows[2], ids[4]: rows[4]}
        assert await store.read(lambda tx: tx.reissues.get(new_id(), wanted)) == {}
        assert await store.read(lambda tx: tx.reissues.get(one, [])) == {}
        assert await store.read(lambda tx: tx.reissues.page(other, b"", 9)) == [reissue(other, ids[0], 3)]
        assert await store.read(lambda tx: tx.reissues.page(one, ids[9], 20)) == rows[10:30]

    async def test_a_package_is_put_and_put_again(self, store: Store) -> None:
        row = package(new_id())
        assert await store.read(lambda tx: tx.reissues.package(row.package_id)) is None
        done = row._replace(package_head=None, wrapped_package_key=None, acknowledged_ms=9)
        for each in (row, done):
            await store.transact(lambda tx, each=each: tx.reissues.put_package(each))  # type: ignore[misc]
            assert await store.read(lambda tx: tx.reissues.package(row.package_id)) == each

    async def test_a_cards_generation_is_exchanged_once(self, store: Store) -> None:
        card_id, case = new_id(), new_id()
        rows = [exchange(card_id, generation, case) for generation in (2, 3, 10)]

        def work(tx: Transaction) -> None:
            for row in [*rows[::-1], exchange(new_id(), 2, case), exchange(card_id, 2, case)._replace(program="other")]:
                tx.exchanges.insert(row)
            with pytest.raises(AlreadyExists):
                tx.exchanges.insert(rows[1]._replace(request_id=new_id()))

        await store.transact(work)
        assert await store.read(lambda tx: tx.exchanges.get(PROGRAM, card_id)) == rows
        assert await store.read(lambda tx: tx.exchanges.get(PROGRAM, new_id())) == []
        assert await store.read(lambda tx: tx.exchanges.count(case)) == 5
        assert await store.read(lambda tx: tx.exchanges.count(new_id())) == 0

    async def test_of_racing_exchanges_of_one_generation_one_wins(self, store: Store, another: Store) -> None:
        card_id = new_id()

        async def claim(one: Store, number: int) -> bool:
            row = exchange(card_id, 2, new_id())._replace(request_id=bytes([number]) * 16)
            try:
                await one.transact(lambda tx: tx.exchanges.insert(row))
            except AlreadyExists:
                return False
            return True

        won = await asyncio.gather(*(claim((store, another)[number % 2], number) for number in range(20)))
        assert sum(won) == 1
        (row,) = await store.read(lambda tx: tx.exchanges.get(PROGRAM, card_id))
        assert row.request_id == bytes([won.index(True)]) * 16

    @pytest.mark.parametrize("count", [1, 2, 300])
    async def test_sale_secrets_are_put_and_put_again(self, store: Store, count: int) -> None:
        rows = {card_id: sale_secret(card_id) for card_id in (new_id() for _ in range(count))}
        news = {card_id: row._replace(secret_version=2, sealed_secret=b"new") for card_id, row in rows.items()}
        await store.transact(lambda tx: tx.exchanges.put_sale_secrets([]))
        for each in (rows, news):
            await store.transact(lambda tx, each=each: tx.exchanges.put_sale_secrets([*each.values()]))  # type: ignore[misc]
            wanted = [*each, new_id()]
            assert await store.read(lambda tx, wanted=wanted: tx.exchanges.sale_secrets(PROGRAM, wanted)) == each  # type: ignore[misc]
        assert await store.read(lambda tx: tx.exchanges.sale_secrets("other", [*rows])) == {}
        assert await store.read(lambda tx: tx.exchanges.sale_secrets(PROGRAM, [])) == {}

    async def test_concurrent_attempts_lose_none(self, store: Store, another: Store) -> None:
        card_id = new_id()

        def fail(tx: Transaction) -> None:
            row = tx.exchanges.attempts(PROGRAM, card_id)
            tx.exchanges.put_attempts(AttemptRow(PROGRAM, card_id, row.failures + 1 if row else 1, 5, TAG))

        assert await store.transact(lambda tx: tx.exchanges.attempts(PROGRAM, card_id)) is None
        await asyncio.gather(*(one.transact(fail) for one in (store, another) for _ in range(30)))
        assert await store.read(lambda tx: tx.exchanges.attempts(PROGRAM, card_id)) == AttemptRow(
            PROGRAM, card_id, 60, 5, TAG
        )

    async def test_concurrent_uses_of_superseded_codes_lose_none(self, store: Store, another: Store) -> None:
        ids = [new_id() for _ in range(3)]
        start = [superseded_use(card_id, generation) for card_id in ids for generation in (1, 2)]

        def use(tx: Transaction) -> None:
            rows = tx.superseded_uses.get(PROGRAM, ids)
            tx.superseded_uses.put([row._replace(uses=row.uses + 1) for row in rows])

        await store.transact(lambda tx: tx.superseded_uses.put([]))
        await store.transact(lambda tx: tx.superseded_uses.put([*start, superseded_use(new_id(), 1)]))
        await asyncio.gather(*(one.transact(use) for one in (store, another) for _ in range(15)))
        found = await store.read(lambda tx: tx.superseded_uses.get(PROGRAM, [*ids, new_id()]))
        assert sorted(found) == sorted(row._replace(uses=31) for row in start)
        assert await store.read(lambda tx: tx.superseded_uses.get(PROGRAM, [])) == []
        assert await store.read(lambda tx: tx.superseded_uses.get("other", ids)) == []
