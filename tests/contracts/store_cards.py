"""Cards."""

import pytest

from tests.contracts.samples import PROGRAM, card, new_id
from vault.errors import AlreadyExists, NotFound
from vault.model.rows import CardRow
from vault.model.states import CardState, Usage
from vault.stores.protocol import Store


async def pages(store: Store, limit: int, **filters: object) -> list[CardRow]:
    """Return every card that matches, fetched in pages."""
    found: list[CardRow] = []
    after = b""
    while page := await store.read(
        lambda tx, after=after: tx.cards.page(PROGRAM, after, limit, **filters)  # type: ignore[misc]
    ):
        assert len(page) <= limit
        found += page
        after = page[-1].card_id
    return found


class CardContract:
    async def test_cards_are_found_by_program_and_id(self, store: Store) -> None:
        rows = sorted(card(new_id()) for _ in range(5))
        await store.transact(lambda tx: tx.cards.insert(rows))
        wanted = [rows[1].card_id, rows[3].card_id, new_id()]
        found = await store.transact(lambda tx: tx.cards.get(PROGRAM, wanted))
        assert found == {rows[1].card_id: rows[1], rows[3].card_id: rows[3]}
        assert await store.read(lambda tx: tx.cards.get("other", wanted)) == {}
        assert await store.read(lambda tx: tx.cards.get(PROGRAM, [])) == {}

    async def test_a_card_that_is_not_there_is_not_another_that_is(self, store: Store) -> None:
        rows = [card(new_id()), card(new_id())._replace(program="gift")]
        await store.transact(lambda tx: tx.cards.insert(rows))
        for _ in range(2):
            for row in rows:
                found = await store.read(lambda tx, row=row: tx.cards.get(row.program, [row.card_id]))  # type: ignore[misc]
                assert found == {row.card_id: row}
            for program in (PROGRAM, "gift", "other"):
                absent = await store.read(lambda tx, program=program: tx.cards.get(program, [new_id()]))  # type: ignore[misc]
                assert absent == {}
            assert await store.read(lambda tx: tx.cards.get("gift", [rows[0].card_id])) == {}

    @pytest.mark.parametrize("count", [1, 2, 3, 1000, 1023, 1024, 1025, 5000])
    async def test_any_number_of_cards_is_found_at_once(self, store: Store, count: int) -> None:
        rows = [card(new_id()) for _ in range(count)]
        await store.transact(lambda tx: tx.cards.insert(rows))
        found = await store.read(lambda tx: tx.cards.get(PROGRAM, {row.card_id for row in rows}))
        assert found == {row.card_id: row for row in rows}

    async def test_a_card_is_inserted_once(self, store: Store) -> None:
        row = card(new_id())
        await store.transact(lambda tx: tx.cards.insert([]))
        await store.transact(lambda tx: tx.cards.insert([row]))
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.cards.insert([card(new_id()), row._replace(reference="x")]))
        assert await pages(store, 9) == [row]

    async def test_cards_are_replaced_by_id(self, store: Store) -> None:
        rows = sorted(card(new_id(), b"b" * 16, place) for place in range(4))
        await store.transact(lambda tx: tx.cards.insert(rows))
        news = [
            row._replace(
                state=CardState.ACTIVE, usage=Usage.IN_USE, activated_ms=9, sealed_record=b"s" * 70_000, revision=2
            )
            for row in rows[:2]
        ]
        await store.transact(lambda tx: tx.cards.update(news))
        await store.transact(lambda tx: tx.cards.update([]))
        assert await pages(store, 9) == [*news, *rows[2:]]

    async def test_replacing_a_card_that_is_not_there_changes_nothing(self, store: Store) -> None:
        row = card(new_id())
        await store.transact(lambda tx: tx.cards.insert([row]))
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.cards.update([row._replace(revision=2), card(new_id())]))
        assert await pages(store, 9) == [row]

    @pytest.mark.parametrize("limit", [1, 7, 100])
    async def test_pages_come_by_id_under_every_filter(self, store: Store, limit: int) -> None:
        batches = [None, b"1" * 16, b"2" * 16]
        states = [CardState.INACTIVE, CardState.ACTIVE]
        usages = [Usage.UNUSED, Usage.EMPTY]
        rows = [
            card(new_id(), batches[number % 3], None if number % 3 == 0 else number)._replace(
                state=states[number % 2], usage=usages[number // 2 % 2]
            )
            for number in range(60)
        ]
        other = [card(new_id(), b"1" * 16, number)._replace(program="other") for number in range(5)]
        await store.transact(lambda tx: tx.cards.insert([*rows, *other]))
        for batch_id in batches:
            for state in [None, *states]:
                for usage in [None, *usages]:
                    found = await pages(store, limit, batch_id=batch_id, state=state, usage=usage)
                    assert found == sorted(
                        row
                        for row in rows
                        if (batch_id is None or row.batch_id == batch_id)
                        and (state is None or row.state == state)
                        and (usage is None or row.usage == usage)
                    )

    @pytest.mark.parametrize("limit", [1, 20])
    async def test_a_batch_among_many_cards_is_paged_the_same_way(self, store: Store, limit: int) -> None:
        rows = [card(new_id(), bytes([number % 50 + 1]) * 16, number // 50) for number in range(500)]
        rows += [card(new_id(), b"big!" * 4, number) for number in range(500)]
        await store.transact(lambda tx: tx.cards.insert(rows))
        for batch_id in (b"\x05" * 16, b"big!" * 4, b"none" * 4):
            found = await pages(store, limit, batch_id=batch_id)
            assert found == sorted(row for row in rows if row.batch_id == batch_id)

    async def test_a_batch_is_read_by_position_and_counted_by_state(self, store: Store) -> None:
        batch_id = new_id()
        rows = [card(new_id(), batch_id, place) for place in range(10)]
        rows[3] = rows[3]._replace(state=CardState.CLOSED)
        await store.transact(lambda tx: tx.cards.insert(sorted([*rows, card(new_id()), card(new_id(), b"x", 4)])))
        assert await store.read(lambda tx: tx.cards.in_batch(batch_id, 0, 100)) == rows
        assert await store.read(lambda tx: tx.cards.in_batch(batch_id, 4, 3)) == rows[4:7]
        assert await store.read(lambda tx: tx.cards.in_batch(batch_id, 10, 3)) == []
        counts = await store.read(lambda tx: tx.cards.count_by_state(batch_id))
        assert counts == {CardState.INACTIVE: 9, CardState.CLOSED: 1}
        assert all(isinstance(state, CardState) for state in counts)
        assert await store.read(lambda tx: tx.cards.count_by_state(new_id())) == {}

    async def test_a_program_or_batches_of_it_are_counted_by_state_and_usage(self, store: Store) -> None:
        one, other, foreign = new_id(), new_id(), new_id()
        rows = [card(new_id(), one, place) for place in range(4)] + [card(new_id(), other, 0), card(new_id())]
        rows[0] = rows[0]._replace(state=CardState.ACTIVE, usage=Usage.IN_USE)
        elsewhere = card(new_id(), foreign, 0)._replace(program="other")
        await store.transact(lambda tx: tx.cards.insert([*rows, elsewhere]))

        async def count(batch_ids: list[bytes] | None) -> dict[tuple[CardState, Usage], int]:
            return dict(await store.read(lambda tx: tx.cards.count(PROGRAM, batch_ids)))

        born, used = (CardState.INACTIVE, Usage.UNUSED), (CardState.ACTIVE, Usage.IN_USE)
        assert await count(None) == {born: 5, used: 1}
        assert await count([one]) == {born: 3, used: 1}
        assert await count([one, other, one, foreign, new_id()]) == {born: 4, used: 1}
        assert await count([foreign]) == await count([]) == {}
        assert all(isinstance(state, CardState) and isinstance(usage, Usage) for state, usage in await count(None))
