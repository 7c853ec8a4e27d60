"""Revealing one card's code."""

from uuid import uuid4

import pytest

from tests.service.reissue import reissue
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, NotFound
from vault.service import rules
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector


async def test_a_code_is_revealed_with_the_reason_in_its_event(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    shown = await shop.reveal.reveal(shop.call(), "netcash", Selector(code.card_id), Delivery(), "asked by police")
    assert [c.code.expose() for c in shown.codes] == [code.code.expose()]
    event = (await shop.all_events())[-1]
    assert (event.delivered, event.note, len(event.items)) == (True, "asked by police", 1)


async def test_a_code_is_revealed_to_a_recipient_where_clear_delivery_is_off(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    sealed = await shop.issuance.issue(shop.call(), "netcash", [CardPlan()], Delivery("printer"))
    card = Selector(sealed.codes[0].card_id)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.reveal.reveal(shop.call(), "netcash", card, Delivery(), "why")
    assert refused.value.reason == "CLEAR_DELIVERY_OFF"
    shown = await shop.reveal.reveal(shop.call(), "netcash", card, Delivery("printer"), "why")
    assert not shown.in_clear
    assert shop.entries(shown.package) == shop.entries(sealed.package)


async def test_the_current_code_is_revealed(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    digits, serial = await reissue(shop, code.card_id)
    shown = await shop.reveal.reveal(shop.call(), "netcash", Selector(serial=code.serial), Delivery(), "why")
    assert [(c.code.expose(), c.serial) for c in shown.codes] == [(digits, serial)]


async def test_a_retry_reveals_again_until_the_card_has_a_new_code(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    call, card = shop.call(request_id=uuid4()), Selector(code.card_id)
    for _ in range(2):
        shown = await shop.reveal.reveal(call, "netcash", card, Delivery(), "why")
        assert shown.codes[0].code.expose() == code.code.expose()
    assert sum(event.delivered for event in await shop.all_events()) == 3
    await reissue(shop, code.card_id)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.reveal.reveal(call, "netcash", card, Delivery(), "why")
    assert refused.value.reason == "DELIVERY_PASSED"


async def test_closed_cards_and_closed_programs_reveal_nothing(shop: Workshop) -> None:
    await shop.program()
    one, other = (await shop.issue(2)).codes
    await shop.change(rules.turn("close"), one.card_id)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.reveal.reveal(shop.call(), "netcash", Selector(one.card_id), Delivery(), "why")
    assert refused.value.reason == "CARD_CLOSED"
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    with pytest.raises(FailedPrecondition) as refused:
        await shop.reveal.reveal(shop.call(), "netcash", Selector(other.card_id), Delivery(), "why")
    assert refused.value.reason == "PROGRAM_CLOSED"


async def test_a_card_that_is_not_there_reveals_nothing(shop: Workshop) -> None:
    await shop.program()
    for program in ("netcash", "nowhere"):
        with pytest.raises(NotFound):
            await shop.reveal.reveal(shop.call(), program, Selector(bytes(16)), Delivery(), "why")
    assert not any(event.delivered for event in await shop.all_events())
