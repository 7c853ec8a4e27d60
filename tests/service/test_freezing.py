"""Freezing, obeyed by every process on its next answer, by all that would act on a card; and thawing."""

from uuid import uuid4

import pytest

from tests.service.desk import Desk
from tests.service.invariants import check_invariants
from tests.service.reissue import reissue
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.states import CardState, ChangeOutcome, Detail, IncidentScope, IncidentState, JobState, Usage
from vault.service import rules
from vault.service.issuing.delivery import Delivered, Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector

ACTIVE = CardPlan(state=CardState.ACTIVE)


def codes_of(delivered: Delivered) -> list[bytes]:
    return [code.code.expose() for code in delivered.codes]


async def details(shop: Workshop, *codes: bytes) -> list[Detail]:
    return [judgement.detail for judgement in await shop.judge(*codes)]


@pytest.mark.parametrize("scope", IncidentScope)
async def test_a_freeze_is_obeyed_by_another_process_on_its_next_answer(shop: Workshop, scope: IncidentScope) -> None:
    await shop.program()
    desk, other = Desk(shop), shop.restarted()
    batch = (await shop.issued_batch(2)).row.batch_id
    in_batch = [card["card_id"] for card in shop.database.rows("card", batch_id=batch)]
    await shop.change(rules.activate, *in_batch)
    mine = [
        code.code.expose()
        for card in in_batch
        for code in (await shop.reveal.reveal(shop.call(), "netcash", Selector(card), Delivery(), "x")).codes
    ]
    theirs = codes_of(await shop.issue(2, plan=ACTIVE))
    assert await details(other, *mine, *theirs) == [Detail.GOOD] * 4
    if scope == IncidentScope.CARDS:
        incident = await desk.over(in_batch)
    else:
        incident = await desk.open(scope, *([batch] if scope == IncidentScope.BATCHES else []))
    view = await desk.freeze(incident)
    assert view.row.state == IncidentState.FROZEN
    counted = {} if scope == IncidentScope.PROGRAM else {(CardState.ACTIVE, Usage.UNUSED): 2}
    assert view.counts == counted
    frozen = [Detail.FROZEN] * 2
    rest = frozen if scope == IncidentScope.PROGRAM else [Detail.GOOD] * 2
    assert await details(other, *mine, *theirs) == frozen + rest
    await desk.thaw(incident)
    assert await details(other, *mine, *theirs) == [Detail.GOOD] * 4


async def test_a_frozen_card_is_neither_sold_nor_spent_nor_revealed(shop: Workshop) -> None:
    await shop.program(single_use=True)
    desk = Desk(shop)
    sold, unsold = (await shop.issue(plan=ACTIVE)).codes[0], (await shop.issue()).codes[0]
    await desk.freeze(await desk.over([sold.card_id, unsold.card_id]))
    (change,) = await shop.change(rules.activate, unsold.card_id)
    assert (change.outcome, change.state) == (ChangeOutcome.ON_HOLD, CardState.INACTIVE)
    redemption = await shop.redemptions.redeem(shop.call("Redeem", request_id=uuid4()), "netcash", sold.code.expose())
    assert redemption.detail == Detail.FROZEN
    with pytest.raises(FailedPrecondition) as refused:
        await shop.reveal.reveal(shop.call("Reveal"), "netcash", Selector(sold.card_id), Delivery(), "x")
    assert refused.value.reason == "CARD_ON_HOLD"
    (status,) = await shop.cards.statuses(shop.call(), "netcash", [Selector(sold.card_id)])
    assert not status.usable
    assert await check_invariants(shop) == 2


async def test_a_redemption_is_reversed_while_its_card_is_frozen(shop: Workshop) -> None:
    await shop.program(single_use=True)
    desk = Desk(shop)
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    spent = await shop.redemptions.redeem(shop.call("Redeem", request_id=uuid4()), "netcash", code.code.expose())
    incident = await desk.over([code.card_id])
    await desk.freeze(incident)
    call = shop.call("Reverse", request_id=uuid4())
    await shop.redemptions.reverse(call, "netcash", Selector(code.card_id), spent.redemption_id)
    assert await details(shop, code.code.expose()) == [Detail.FROZEN]
    await desk.thaw(incident)
    assert await details(shop, code.code.expose()) == [Detail.GOOD]


async def test_a_retried_issuance_does_not_deliver_frozen_codes_again(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    call = shop.call("Issue", request_id=uuid4())
    delivered = await shop.issue(2, call=call)
    incident = await desk.over([delivered.codes[0].card_id])
    await desk.freeze(incident)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue(2, call=call)
    assert refused.value.reason == "CARD_ON_HOLD"
    await desk.thaw(incident)
    assert codes_of(await shop.issue(2, call=call)) == codes_of(delivered)


async def test_a_batch_with_a_frozen_card_is_not_exported(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    batch = (await shop.issued_batch(5)).row.batch_id
    package = await shop.package(batch)
    one = shop.database.rows("card", batch_position=3)[0]["card_id"]
    for incident in (await desk.over([one]), await desk.open(IncidentScope.BATCHES, batch)):
        await desk.freeze(incident)
        with pytest.raises(FailedPrecondition) as refused:
            await shop.package(batch)
        assert refused.value.reason == "CARD_ON_HOLD"
        await desk.thaw(incident)
    assert await shop.package(batch) == package


async def test_thawing_gives_back_what_cards_have_become_meanwhile(shop: Workshop) -> None:
    await shop.program(single_use=True)
    desk = Desk(shop)
    issued = (await shop.issue(5, plan=ACTIVE)).codes
    untouched, suspended, closed, resumed, _ = (code.card_id for code in issued)
    codes = [code.code.expose() for code in issued]
    await shop.change(rules.turn("suspend"), resumed)
    before = {row["card_id"]: row for row in shop.database.rows("card")}
    incident = await desk.over([untouched, suspended, closed, resumed])
    await desk.freeze(incident)
    assert {row["card_id"]: row for row in shop.database.rows("card")} == before, "nothing of the cards changes"
    await shop.change(rules.turn("suspend"), suspended)
    await shop.change(rules.turn("close"), closed)
    await shop.change(rules.turn("resume"), resumed)
    await shop.redemptions.redeem(shop.call("Redeem", request_id=uuid4()), "netcash", codes[4])
    frozen = Detail.FROZEN
    assert await details(shop, *codes) == [frozen, frozen, frozen, frozen, Detail.REDEEMED]
    row = await desk.thaw(incident)
    assert (row.state, row.stops_issuance, row.thawed_ms) == (IncidentState.OPEN, 0, shop.clock())
    after = [Detail.GOOD, Detail.SUSPENDED, Detail.CLOSED, Detail.GOOD, Detail.REDEEMED]
    assert await details(shop, *codes) == after
    assert shop.database.count("hold") == 0
    assert await check_invariants(shop) == 5


async def test_a_frozen_code_that_is_superseded_stays_so_and_its_successor_is_frozen(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    incident = await desk.over([code.card_id])
    await desk.freeze(incident)
    new, _ = await reissue(shop, code.card_id)
    assert await details(shop, code.code.expose(), new) == [Detail.SUPERSEDED, Detail.FROZEN]
    await desk.thaw(incident)
    assert await details(shop, code.code.expose(), new) == [Detail.SUPERSEDED, Detail.GOOD]


async def test_a_card_is_free_when_the_last_of_its_freezes_is_lifted(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    incidents = [await desk.over([code.card_id]) for _ in range(2)] + [await desk.open(IncidentScope.PROGRAM)]
    for incident in incidents:
        await desk.freeze(incident)
    for incident in incidents:
        assert await details(shop, code.code.expose()) == [Detail.FROZEN]
        await desk.thaw(incident)
    assert await details(shop, code.code.expose()) == [Detail.GOOD]


async def test_cards_issued_into_a_frozen_program_are_frozen_too(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    await desk.freeze(await desk.open(IncidentScope.PROGRAM))
    (code,) = codes_of(await shop.issue(plan=ACTIVE))
    assert await details(shop, code) == [Detail.FROZEN]


async def test_a_freeze_stops_issuance_if_that_is_asked_and_jobs_wait_for_the_thaw(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    waiting = (await shop.batch(3)).row.batch_id
    incident = await desk.open(IncidentScope.PROGRAM)
    assert (await desk.freeze(incident, stop=True)).row.stops_issuance
    for refused in (shop.issue(), shop.batch(1)):
        with pytest.raises(FailedPrecondition) as refusal:
            await refused
        assert refusal.value.reason == "ISSUANCE_STOPPED"
    await shop.issue(program="other")
    other = (await shop.batch(1, "other")).row.batch_id
    await shop.work(lambda: bool(shop.database.rows("job", subject=other, state=JobState.DONE)))
    assert shop.database.rows("job", subject=waiting)[0]["state"] == JobState.RUNNING
    await desk.thaw(incident)
    await shop.work_all()
    assert shop.database.rows("job", subject=waiting)[0]["done_count"] == 3
    await shop.issue()


async def test_only_validated_nothing_is_frozen_or_thawed(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    codes = codes_of(await shop.issue(2, plan=ACTIVE))
    incident = await desk.open(IncidentScope.PROGRAM)
    before = [shop.database.rows(table) for table in ("incident", "incident_step", "hold", "request")]
    view = await desk.freeze(incident, stop=True, dry=True)
    assert view.row.state == IncidentState.FROZEN
    assert view.counts == {(CardState.ACTIVE, Usage.UNUSED): 2}
    assert await details(shop, *codes) == [Detail.GOOD] * 2
    assert [shop.database.rows(table) for table in ("incident", "incident_step", "hold", "request")] == before
    await desk.freeze(incident)
    assert (await desk.thaw(incident, dry=True)).state == IncidentState.OPEN
    assert await details(shop, *codes) == [Detail.FROZEN] * 2


async def test_what_cannot_be_frozen_or_thawed_is_refused(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open()
    (code,) = (await shop.issue(plan=ACTIVE)).codes

    async def reason(act: str) -> str:
        with pytest.raises(FailedPrecondition) as refused:
            await getattr(desk, act)(incident)
        return refused.value.reason

    assert await reason("freeze") == "SELECTION_EMPTY"
    assert await reason("thaw") == "INCIDENT_NOT_FROZEN"
    await desk.add(incident, code.card_id)
    await desk.freeze(incident)
    assert await reason("freeze") == "INCIDENT_FROZEN"
    await desk.thaw(incident)
    await desk.incidents.close(desk.call("CloseIncident"), "netcash", incident.incident_id, "")
    assert await reason("freeze") == await reason("thaw") == "INCIDENT_CLOSED"


async def test_a_retried_freeze_and_thaw_have_one_effect(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    incident = await desk.over([code.card_id])
    freeze, thaw = desk.call("FreezeIncident"), desk.call("ThawIncident")
    answers = [
        await desk.freezing.freeze(freeze, "netcash", incident.incident_id, stop_issuance=False, validate_only=False)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    rows = [await desk.freezing.thaw(thaw, "netcash", incident.incident_id, validate_only=False) for _ in range(2)]
    assert rows[0] == rows[1]
    steps = shop.database.rows("incident_step")
    assert [step["action"] for step in steps] == ["OpenIncident", "AddToSelection", "FreezeIncident", "ThawIncident"]
    assert [step["number"] for step in steps] == [1, 2, 3, 4]
    assert [step["count"] for step in steps] == [0, 1, 1, 1]


async def test_a_selection_of_which_a_row_is_gone_or_forged_is_not_frozen(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.over([code.card_id for code in (await shop.issue(3)).codes])
    (first, second, _) = shop.database.rows("selection")
    shop.database.put("selection", first["rowid"], card_id=bytes(16))
    with pytest.raises(IntegrityFailure) as refused:
        await desk.freeze(incident)
    assert refused.value.reason == "ROW_TAG"
    shop.database.put("selection", first["rowid"], card_id=first["card_id"])
    shop.database.delete("selection", second["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await desk.freeze(incident)
    assert refused.value.reason == "SELECTION"
    assert shop.database.count("hold") == 0


async def test_cards_added_while_a_freeze_is_prepared_are_frozen_with_the_rest(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(2, plan=ACTIVE)).codes
    incident = await desk.over([issued[0].card_id])
    choose = desk.freezing._choose
    late = [issued[1].card_id]

    async def interrupted(program: str, incident_id: bytes) -> object:
        chosen = await choose(program, incident_id)
        if late:
            await desk.add(incident, late.pop())
        return chosen

    desk.freezing._choose = interrupted  # type: ignore[method-assign,assignment]
    view = await desk.freeze(incident)
    assert view.row.card_count == 2
    assert await details(shop, *(code.code.expose() for code in issued)) == [Detail.FROZEN] * 2
