"""Holds: who is covered, and that a hold which is not what the vault wrote stops everything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.desk import Desk
from tests.workshop import Workshop
from vault.errors import IntegrityFailure
from vault.model.incident_rows import HoldRow
from vault.model.states import CardState, Detail, HoldKind, IncidentScope, IncidentState
from vault.service.holds import ChosenIds, Holds, join_ids, split_ids
from vault.service.issuing.issue import CardPlan

ACTIVE = CardPlan(state=CardState.ACTIVE)
IDS = [bytes([number]) * 16 for number in range(8)]

_some = st.sets(st.sampled_from(IDS))
_holds = st.lists(
    st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(list(HoldKind)), _some, st.booleans()), max_size=5
)


def _row(number: int, program: str, kind: HoldKind, ids: set[bytes], *, stops: bool) -> HoldRow:
    hold_id = bytes([100 + number]) * 16
    return HoldRow(hold_id, program, hold_id, kind, join_ids(ids), int(stops), 0, b"")


def _covers(row: HoldRow, program: str, card_id: bytes, batch_id: bytes | None) -> bool:
    if row.program != program:
        return False
    if row.kind == HoldKind.PROGRAM:
        return True
    return (batch_id if row.kind == HoldKind.BATCHES else card_id) in split_ids(row.ids)


@given(_holds, st.sampled_from(["one", "two", "three"]), st.sampled_from(IDS), st.sampled_from([None, *IDS]))
def test_a_card_is_covered_as_the_rows_say(
    drawn: list[tuple[str, HoldKind, set[bytes], bool]], program: str, card_id: bytes, batch_id: bytes | None
) -> None:
    rows = [_row(number, name, kind, ids, stops=stops) for number, (name, kind, ids, stops) in enumerate(drawn)]
    holds = Holds(rows)
    covering = {row.hold_id for row in rows if _covers(row, program, card_id, batch_id)}
    assert holds.cover(program, card_id, batch_id) == bool(covering)
    for row in rows:
        assert holds.cover(program, card_id, batch_id, but=row.hold_id) == bool(covering - {row.hold_id})
    assert holds.stops_issuance(program) == any(row.program == program and row.stops_issuance for row in rows)
    whole = any(
        row.program == program
        and (row.kind == HoldKind.PROGRAM or (row.kind == HoldKind.BATCHES and IDS[0] in split_ids(row.ids)))
        for row in rows
    )
    assert holds.covers_batch(program, IDS[0]) == whole


@given(st.sets(st.binary(min_size=16, max_size=16), max_size=40), st.binary(min_size=16, max_size=16))
def test_chosen_ids_hold_what_was_put_in_and_nothing_else(ids: set[bytes], stranger: bytes) -> None:
    chosen = ChosenIds(join_ids(ids))
    assert len(chosen) == len(ids)
    assert all(each in chosen for each in ids)
    assert (stranger in chosen) == (stranger in ids)


def test_ids_that_are_not_whole_are_refused() -> None:
    with pytest.raises(IntegrityFailure):
        ChosenIds(bytes(17))


async def _frozen(shop: Workshop) -> tuple[Desk, bytes]:
    """Freeze the first of two cards, and return the code of the second."""
    await shop.program()
    desk = Desk(shop)
    frozen, good = (await shop.issue(2, plan=ACTIVE)).codes
    await desk.freeze(await desk.over([frozen.card_id]))
    return desk, good.code.expose()


async def _refused(shop: Workshop, code: bytes) -> str:
    """Return why a process that begins now answers nothing, not even for a card that is not on hold."""
    with pytest.raises(IntegrityFailure) as refused:
        await shop.restarted().judge(code)
    return refused.value.reason


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("ids", b""),
        ("ids", bytes(16)),
        ("program", "other"),
        ("kind", HoldKind.CONTESTED),
        ("incident_id", bytes(16)),
        ("stops_issuance", 1),
        ("created_ms", 0),
        ("tag", bytes(21)),
    ],
)
async def test_an_edited_hold_stops_the_whole_catalogue(shop: Workshop, column: str, value: object) -> None:
    _, code = await _frozen(shop)
    (row,) = shop.database.rows("hold")
    shop.database.put("hold", row["rowid"], **{column: value})
    assert await _refused(shop, code) == "ROW_TAG"


async def test_a_deleted_hold_stops_the_whole_catalogue(shop: Workshop) -> None:
    _, code = await _frozen(shop)
    (row,) = shop.database.rows("hold")
    shop.database.delete("hold", row["rowid"])
    assert await _refused(shop, code) == "HOLD"


async def test_an_edited_incident_stops_the_whole_catalogue(shop: Workshop) -> None:
    _, code = await _frozen(shop)
    (row,) = shop.database.rows("incident")
    shop.database.put("incident", row["rowid"], state=IncidentState.OPEN)
    assert await _refused(shop, code) == "ROW_TAG"


async def test_an_incident_closed_by_hand_does_not_lift_its_freeze(shop: Workshop) -> None:
    _, code = await _frozen(shop)
    (incident,), (hold,) = shop.database.rows("incident"), shop.database.rows("hold")
    shop.database.put("incident", incident["rowid"], state=IncidentState.CLOSED)
    shop.database.delete("hold", hold["rowid"])
    assert await _refused(shop, code) == "ROW_TAG"


@pytest.mark.parametrize("table", ["incident", "hold"])
async def test_a_row_put_back_as_it_was_at_an_earlier_freeze_stops_the_whole_catalogue(
    shop: Workshop, table: str
) -> None:
    desk, code = await _frozen(shop)
    (before,) = shop.database.rows(table)
    incident = (await desk.incidents.page(desk.call("ListIncidents"), "netcash", None, 10))[0]
    shop.clock.advance(1)
    await desk.thaw(incident)
    (later,) = (await shop.issue()).codes
    await desk.add(incident, later.card_id)
    await desk.freeze(incident)
    assert [judgement.detail for judgement in await shop.restarted().judge(code)] == [Detail.GOOD]
    (row,) = shop.database.rows(table)
    del before["rowid"]
    shop.database.put(table, row["rowid"], **before)
    assert await _refused(shop, code) == "HOLD"


async def test_a_hold_put_back_after_the_thaw_stops_the_whole_catalogue(shop: Workshop) -> None:
    desk, code = await _frozen(shop)
    (hold,) = shop.database.rows("hold")
    incident = (await desk.incidents.page(desk.call("ListIncidents"), "netcash", None, 10))[0]
    other = await desk.open(IncidentScope.PROGRAM)
    await desk.freeze(other)
    await desk.thaw(incident)
    (row,) = shop.database.rows("hold")
    del hold["rowid"]
    shop.database.put("hold", row["rowid"], **hold)
    assert await _refused(shop, code) == "HOLD"


async def test_a_hold_that_is_known_is_not_read_again(shop: Workshop) -> None:
    desk, code = await _frozen(shop)
    before = (await shop.store.read(shop.recorder.catalogue.at)).measures.laid[0]
    await desk.freeze(await desk.open(IncidentScope.PROGRAM))
    after = (await shop.store.read(shop.recorder.catalogue.at)).measures.laid
    assert len(after) == 2
    assert any(row is before for row in after)
    assert [judgement.detail for judgement in await shop.judge(code)] == [Detail.FROZEN]
