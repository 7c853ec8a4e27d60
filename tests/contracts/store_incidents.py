"""Incidents, their timelines and selections, holds and blocks."""

import pytest

from tests.contracts.samples import PROGRAM, TAG, block, card, hold, incident, new_id, selection
from vault.errors import AlreadyExists, NotFound
from vault.model.incident_rows import IncidentStepRow
from vault.model.states import CardState, IncidentState, Usage
from vault.stores.protocol import Store, Transaction


class IncidentContract:
    async def test_incidents_are_paged_newest_first_and_replaced(self, store: Store) -> None:
        rows = [incident(bytes([number]) * 16, created) for number, created in ((1, 5), (2, 9), (3, 9), (4, 7))]
        order = [rows[2], rows[1], rows[3], rows[0]]

        def work(tx: Transaction) -> None:
            for row in [*rows, incident(new_id(), 8, "other")]:
                tx.incidents.insert(row)
            with pytest.raises(AlreadyExists):
                tx.incidents.insert(rows[0])

        await store.transact(work)
        assert await store.read(lambda tx: tx.incidents.page(PROGRAM, None, 9)) == order
        assert await store.read(lambda tx: tx.incidents.page(PROGRAM, (9, rows[2].incident_id), 2)) == order[1:3]
        closed = rows[1]._replace(state=IncidentState.CLOSED, closed_ms=11, revision=2)
        await store.transact(lambda tx: tx.incidents.update(closed))
        assert await store.transact(lambda tx: tx.incidents.get(closed.incident_id)) == closed
        assert await store.read(lambda tx: tx.incidents.get(new_id())) is None
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.incidents.update(incident(new_id())))

    async def test_incidents_come_by_id_from_every_program_whatever_their_state(self, store: Store) -> None:
        states = [IncidentState.OPEN, IncidentState.FROZEN, IncidentState.CLOSED]
        rows = [
            incident(bytes([number]) * 16, 100 - number, "other" if number % 2 else PROGRAM)._replace(
                state=states[number % 3]
            )
            for number in range(9)
        ]

        def work(tx: Transaction) -> None:
            for row in rows[::-1]:
                tx.incidents.insert(row)

        await store.transact(work)
        found = await store.read(lambda tx: tx.incidents.all())
        assert found == rows

    async def test_steps_come_by_number_and_none_twice(self, store: Store) -> None:
        one, other = new_id(), new_id()
        rows = [IncidentStepRow(one, number, "Freeze", "spiffe://officer", 5, 3, "", TAG) for number in (1, 2, 10)]

        def work(tx: Transaction) -> None:
            for row in [*rows[::-1], rows[0]._replace(incident_id=other)]:
                tx.incidents.add_step(row)
            with pytest.raises(AlreadyExists):
                tx.incidents.add_step(rows[1]._replace(note="again"))

        await store.transact(work)
        assert await store.read(lambda tx: tx.incidents.steps(one)) == rows
        assert await store.read(lambda tx: tx.incidents.steps(new_id())) == []

    async def test_cards_are_selected_once_and_those_that_were_there_are_told(self, store: Store) -> None:
        ids = sorted(new_id() for _ in range(700))
        one, other = new_id(), new_id()
        assert await store.transact(lambda tx: tx.selections.claim([])) == set()
        first = [selection(one, card_id) for card_id in ids[:300]]
        assert await store.transact(lambda tx: tx.selections.claim([*first[::-1], first[7]])) == set()
        rows = [selection(one, card_id) for card_id in ids[200:]] + [selection(other, ids[0])]
        assert await store.transact(lambda tx: tx.selections.claim(rows)) == set(ids[200:300])
        found: list[bytes] = []
        while page := await store.read(
            lambda tx: tx.selections.page(one, found[-1] if found else b"", 99)  # noqa: B023  at once
        ):
            assert len(page) <= 99
            assert {row.selection_id for row in page} == {one}
            found += [row.card_id for row in page]
        assert found == ids
        assert await store.read(lambda tx: tx.selections.page(other, b"", 9)) == [selection(other, ids[0])]

    async def test_a_selections_cards_are_counted_by_state_and_usage(self, store: Store) -> None:
        rows = [card(new_id()) for _ in range(6)]
        rows[1] = rows[1]._replace(state=CardState.ACTIVE)
        rows[2] = rows[2]._replace(state=CardState.ACTIVE, usage=Usage.EMPTY)
        chosen = new_id()
        elsewhere = rows[0]._replace(program="other", state=CardState.CLOSED)

        def work(tx: Transaction) -> None:
            tx.cards.insert([*rows, elsewhere])
            tx.selections.claim([selection(chosen, row.card_id) for row in rows[:5]])
            tx.selections.claim([selection(new_id(), rows[5].card_id)])

        await store.transact(work)
        counts = await store.read(lambda tx: tx.selections.count_cards(chosen))
        assert counts == {
            (CardState.INACTIVE, Usage.UNUSED): 3,
            (CardState.ACTIVE, Usage.UNUSED): 1,
            (CardState.ACTIVE, Usage.EMPTY): 1,
        }
        assert all(isinstance(state, CardState) and isinstance(usage, Usage) for state, usage in counts)
        assert await store.read(lambda tx: tx.selections.count_cards(new_id())) == {}

    async def test_a_hold_of_a_million_cards_is_one_row_and_known_by_its_tag(self, store: Store) -> None:
        wide = hold(b"1" * 16)._replace(ids=bytes(range(256)) * 62_500, tag=b"t" * 22)
        rows = [hold(b"2" * 16), wide, hold(b"3" * 16, "other")]

        def work(tx: Transaction) -> None:
            for row in rows:
                tx.holds.insert(row)
            with pytest.raises(AlreadyExists):
                tx.holds.insert(rows[0]._replace(created_ms=7))

        await store.transact(work)
        assert await store.read(lambda tx: tx.holds.tags()) == {row.hold_id: row.tag for row in rows}
        found = await store.read(lambda tx: tx.holds.get([wide.hold_id, rows[2].hold_id, new_id()]))
        assert found == {wide.hold_id: wide, rows[2].hold_id: rows[2]}
        assert await store.read(lambda tx: tx.holds.get([])) == {}
        assert await store.read(lambda tx: tx.holds.page(PROGRAM, b"", 9)) == [wide, rows[0]]
        assert await store.read(lambda tx: tx.holds.page(PROGRAM, wide.hold_id, 1)) == [rows[0]]
        await store.transact(lambda tx: tx.holds.delete(wide.hold_id))
        assert set(await store.read(lambda tx: tx.holds.tags())) == {rows[0].hold_id, rows[2].hold_id}
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.holds.delete(wide.hold_id))

    async def test_blocks_are_one_per_program_and_principal(self, store: Store) -> None:
        rows = [block(name, principal) for name in ("", PROGRAM) for principal in ("a", "b")]

        def work(tx: Transaction) -> None:
            for row in [*rows[::-1], rows[2]]:
                tx.blocks.put(row)

        await store.transact(work)
        assert await store.read(lambda tx: tx.blocks.all()) == rows
        again = rows[0]._replace(note="read in bulk", incident_id=new_id())
        await store.transact(lambda tx: tx.blocks.put(again))
        await store.transact(lambda tx: tx.blocks.delete(PROGRAM, "a"))
        assert await store.read(lambda tx: tx.blocks.all()) == [again, rows[1], rows[3]]
        with pytest.raises(NotFound):
            await store.transact(lambda tx: tx.blocks.delete(PROGRAM, "a"))
