"""Holds as they are listed, and the hold over one card lifted by an officer."""

from uuid import UUID

import pytest

from tests.service.desk import Desk
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, NotFound
from vault.model.incident_rows import HoldRow, IncidentRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, HoldKind, IncidentScope
from vault.service.issuing.issue import CardPlan
from vault.stores.protocol import Transaction

HOLD = bytes(range(16))


async def _contest(shop: Workshop, incident: IncidentRow, card_id: bytes) -> None:
    """Put one card on hold as a second claim to its exchange does."""

    def write(tx: Transaction) -> None:
        tagger = shop.recorder.scope(tx).snapshot.tagger
        program, incident_id = incident.program, incident.incident_id
        row = HoldRow(HOLD, program, incident_id, HoldKind.CONTESTED, card_id, 0, shop.clock(), b"")
        tx.holds.insert(tagger.tagged(SHAPES["hold"], row))
        shop.recorder.catalogue.bump(tx)

    await shop.store.transact(write)


async def test_a_contested_card_is_frozen_until_an_officer_releases_it(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(2, plan=CardPlan(state=CardState.ACTIVE))).codes
    incident = await desk.over([code.card_id for code in issued])
    await _contest(shop, incident, issued[0].card_id)
    codes = [code.code.expose() for code in issued]
    assert [each.detail for each in await shop.judge(*codes)] == [Detail.FROZEN, Detail.GOOD]
    await desk.freeze(incident)
    await desk.thaw(incident)
    assert [each.detail for each in await shop.judge(*codes)] == [Detail.FROZEN, Detail.GOOD], "thawing lifts one hold"
    await desk.incidents.close(desk.call("CloseIncident"), "netcash", incident.incident_id, "")
    call = desk.call("ReleaseHold")
    for _ in range(2):
        await desk.contested.release(call, "netcash", HOLD, "it is the buyer's")
    assert [each.detail for each in await shop.restarted().judge(*codes)] == [Detail.GOOD] * 2
    last = shop.database.rows("incident_step")[-1]
    assert (last["action"], last["note"]) == (
        "ReleaseHold",
        f"card {UUID(bytes=issued[0].card_id)}: it is the buyer's",
    )


async def test_a_freeze_is_not_released_as_if_it_were_contested(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    incident = await desk.open(IncidentScope.PROGRAM)
    await desk.freeze(incident)
    with pytest.raises(FailedPrecondition) as refused:
        await desk.contested.release(desk.call("ReleaseHold"), "netcash", incident.incident_id, "x")
    assert refused.value.reason == "NOT_CONTESTED"
    for program, hold_id in (("netcash", bytes(16)), ("other", incident.incident_id)):
        with pytest.raises(NotFound):
            await desk.contested.release(desk.call("ReleaseHold"), program, hold_id, "x")


async def test_holds_are_listed_by_program_and_page(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    cards = [code.card_id for code in (await shop.issue(3)).codes]
    incidents = [await desk.over(cards), await desk.open(IncidentScope.PROGRAM), await desk.over(cards[:1])]
    elsewhere = await desk.open(IncidentScope.PROGRAM, program="other")
    for incident in (*incidents, elsewhere):
        await desk.freeze(incident)
    first = await desk.contested.page(desk.call("ListHolds"), "netcash", b"", 2)
    second = await desk.contested.page(desk.call("ListHolds"), "netcash", first[-1].hold_id, 2)
    assert [row.hold_id for row in first + second] == sorted(incident.incident_id for incident in incidents)
    assert {len(row.ids) // 16 for row in first + second} == {3, 0, 1}
