"""ReissueCard: one card's new code at once, and what a retry of it gets."""

from uuid import uuid4

import pytest

from tests.service.invariants import check_invariants
from tests.service.orders import cards_by_id, kept, open_incident, reissued
from tests.workshop import Workshop
from vault.errors import AlreadyExists, FailedPrecondition, NotFound
from vault.model.states import CardState, Detail, IncidentScope
from vault.policy.call import Call
from vault.service import rules
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.triage import Triage
from vault.service.issuing.delivery import Delivered, Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.reissue_card import CardRequest
from vault.service.select import Selector

SOLD = CardPlan("sold", b"record", state=CardState.ACTIVE)


async def _renew(
    shop: Workshop, selector: Selector, *, call: Call | None = None, delivery: Delivery | None = None
) -> Delivered:
    call = call or shop.call("ReissueCard", request_id=uuid4())
    return await shop.card_reissue.reissue(
        call, CardRequest("netcash", selector, delivery or Delivery(), "the card was lost")
    )


async def _refused(shop: Workshop, selector: Selector, reason: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await _renew(shop, selector)
    assert refused.value.reason == reason


@pytest.mark.parametrize("by_serial", [True, False])
async def test_a_card_gets_a_new_code_at_once_and_nothing_else_moves(shop: Workshop, *, by_serial: bool) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    before = cards_by_id(shop)[old.card_id]
    delivered = await _renew(shop, Selector(serial=old.serial) if by_serial else Selector(old.card_id))
    (new,) = delivered.codes
    assert (new.card_id, new.superseded_serial, delivered.generation) == (old.card_id, old.serial, 2)
    judged = await shop.judge(old.code.expose(), new.code.expose())
    assert [judgement.detail for judgement in judged] == [Detail.SUPERSEDED, Detail.GOOD]
    assert kept(cards_by_id(shop)[old.card_id]) == kept(before)
    event = next(event for event in await shop.all_events() if event.action.endswith("/ReissueCard"))
    assert (event.delivered, event.note, event.items[0].card_id) == (True, "the card was lost", old.card_id)
    assert await check_invariants(shop) == 1


async def test_a_retry_gets_the_same_code_until_the_card_has_another(shop: Workshop) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    call = shop.call("ReissueCard", request_id=uuid4())
    first = await _renew(shop, Selector(old.card_id), call=call)
    again = await _renew(shop, Selector(old.card_id), call=call)
    assert again.codes[0].code.expose() == first.codes[0].code.expose()
    assert again.codes[0]._replace(code=first.codes[0].code) == first.codes[0]
    assert again.generation == first.generation == 2
    with pytest.raises(AlreadyExists):
        await _renew(shop, Selector(old.card_id), call=call._replace(body=b"other"))
    await reissued(shop)
    with pytest.raises(FailedPrecondition) as refused:
        await _renew(shop, Selector(old.card_id), call=call)
    assert refused.value.reason == "DELIVERY_PASSED"
    assert await check_invariants(shop) == 1


async def test_a_code_is_sealed_to_a_recipient_with_both_serials(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    batch = await shop.issued_batch(1)
    (entry,) = shop.entries((await shop.package(batch.row.batch_id)).data)
    await _refused(shop, Selector(serial=entry.serial), "CLEAR_DELIVERY_OFF")
    delivered = await _renew(shop, Selector(serial=entry.serial), delivery=Delivery("packer"))
    assert not delivered.in_clear
    (new,) = shop.entries(delivered.package)
    assert (new.superseded_serial, new.serial) == (entry.serial, delivered.codes[0].serial)
    assert new.code != entry.code


async def test_a_superseded_serial_names_no_card_to_renew(shop: Workshop) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    await _renew(shop, Selector(old.card_id))
    await _refused(shop, Selector(serial=old.serial), "OLD_SERIAL")
    with pytest.raises(NotFound):
        await _renew(shop, Selector(bytes(16)))


@pytest.mark.parametrize("verb", ["suspend", "close"])
async def test_a_suspended_card_is_renewed_and_a_closed_one_is_not(shop: Workshop, verb: str) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    await shop.change(rules.turn(verb), old.card_id)
    if verb == "close":
        await _refused(shop, Selector(old.card_id), "CARD_CLOSED")
    else:
        (new,) = (await _renew(shop, Selector(old.card_id))).codes
        (judgement,) = await shop.judge(new.code.expose())
        assert judgement.detail == Detail.SUSPENDED


async def test_a_spent_card_is_not_renewed(shop: Workshop) -> None:
    await shop.program(single_use=True)
    (old,) = (await shop.issue(plan=SOLD)).codes
    await shop.redemptions.redeem(shop.call(), "netcash", old.code.expose())
    await _refused(shop, Selector(old.card_id), "CARD_REDEEMED")


async def test_a_card_on_hold_is_not_renewed(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(2, plan=SOLD)).codes
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=[codes[0].card_id])
    freezing = Freezing(shop.recorder, Triage(shop.store))
    await freezing.freeze(
        shop.call("Freeze", request_id=uuid4()), "netcash", incident_id, stop_issuance=False, validate_only=False
    )
    await _refused(shop, Selector(codes[0].card_id), "CARD_ON_HOLD")
    await _renew(shop, Selector(codes[1].card_id))


async def test_a_stopped_program_renews_and_a_closed_one_does_not(shop: Workshop) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    await _renew(shop, Selector(old.card_id))
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    await _refused(shop, Selector(old.card_id), "PROGRAM_CLOSED")
