"""Spending single-use codes, once, and undoing it."""

import asyncio
from uuid import uuid4

import pytest

from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, InvalidInput, NotFound
from vault.model.states import CardState, Detail
from vault.service.issuing.delivery import OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector


async def _sold(shop: Workshop, **settings: object) -> OpenedCode:
    await shop.program(**{"single_use": True, **settings})  # type: ignore[arg-type]
    return (await shop.issue(plan=CardPlan(state=CardState.ACTIVE))).codes[0]


async def test_a_code_is_spent_once_however_many_try(shop: Workshop) -> None:
    code = await _sold(shop)
    attempts = [
        shop.redemptions.redeem(shop.call(request_id=uuid4()), "netcash", code.code.expose()) for _ in range(100)
    ]
    outcomes = await asyncio.gather(*attempts)
    good = [one for one in outcomes if one.detail == Detail.GOOD]
    assert len(good) == 1
    assert {one.detail for one in outcomes} == {Detail.GOOD, Detail.REDEEMED}
    (row,) = shop.database.rows("card")
    assert (row["redemption_id"], row["redeemed_ms"]) == (good[0].redemption_id, good[0].redeemed_ms)
    assert await check_invariants(shop) == 1


async def test_a_retried_redemption_gets_the_same_answer(shop: Workshop) -> None:
    code = await _sold(shop)
    call = shop.call(request_id=uuid4())
    first = await shop.redemptions.redeem(call, "netcash", code.code.expose())
    shop.clock.advance(60)
    assert await shop.redemptions.redeem(call, "netcash", code.code.expose()) == first
    other = await shop.redemptions.redeem(shop.call(request_id=uuid4()), "netcash", code.code.expose())
    assert (other.detail, other.redemption_id) == (Detail.REDEEMED, b"")


async def test_a_refusal_is_kept_for_its_retry_too(shop: Workshop) -> None:
    code = await _sold(shop)
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    call = shop.call(request_id=uuid4())
    refused = await shop.redemptions.redeem(call, "netcash", code.code.expose())
    assert refused.detail == Detail.PROGRAM_STOPPED
    await shop.programs.turn(shop.call(), "netcash", "start", note="", etag="")
    assert await shop.redemptions.redeem(call, "netcash", code.code.expose()) == refused


async def test_an_unknown_code_is_answered_without_a_card(shop: Workshop) -> None:
    await _sold(shop)
    redemption = await shop.redemptions.redeem(shop.call(), "netcash", b"0" * 16)
    assert (redemption.detail, redemption.card_id) == (Detail.UNKNOWN, b"")


async def test_only_single_use_programs_spend_codes(shop: Workshop) -> None:
    code = await _sold(shop, single_use=False)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    assert refused.value.reason == "NOT_SINGLE_USE"
    with pytest.raises(NotFound):
        await shop.redemptions.redeem(shop.call(), "nowhere", code.code.expose())


async def test_a_code_of_another_length_is_invalid(shop: Workshop) -> None:
    code = await _sold(shop)
    with pytest.raises(InvalidInput) as refused:
        await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose()[:-1])
    assert refused.value.field == "code.code"


async def test_a_reversal_makes_the_code_good_again(shop: Workshop) -> None:
    code = await _sold(shop)
    spent = await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    call = shop.call(request_id=uuid4())
    for _ in range(2):
        card = await shop.redemptions.reverse(call, "netcash", Selector(serial=code.serial), spent.redemption_id)
        assert card == code.card_id
    assert [j.detail for j in await shop.judge(code.code.expose())] == [Detail.GOOD]
    assert await check_invariants(shop) == 1


async def test_a_reversal_undoes_no_other_redemption(shop: Workshop) -> None:
    code = await _sold(shop)
    card = Selector(code.card_id)
    first = await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    await shop.redemptions.reverse(shop.call(), "netcash", card, first.redemption_id)
    second = await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    assert second.redemption_id != first.redemption_id
    for redemption_id in (first.redemption_id, bytes(16)):
        with pytest.raises(FailedPrecondition) as refused:
            await shop.redemptions.reverse(shop.call(), "netcash", card, redemption_id)
        assert refused.value.reason == "NOT_THIS_REDEMPTION"
    assert [j.detail for j in await shop.judge(code.code.expose())] == [Detail.REDEEMED]


@pytest.mark.parametrize(("seconds", "undone"), [(60.0, True), (60.001, False)])
async def test_a_redemption_is_reversed_within_the_window_only(shop: Workshop, seconds: float, undone: bool) -> None:
    code = await _sold(shop, redemption_reversal_seconds=60)
    spent = await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    shop.clock.advance(seconds)
    if undone:
        await shop.redemptions.reverse(shop.call(), "netcash", Selector(code.card_id), spent.redemption_id)
        return
    with pytest.raises(FailedPrecondition) as refused:
        await shop.redemptions.reverse(shop.call(), "netcash", Selector(code.card_id), spent.redemption_id)
    assert refused.value.reason == "WINDOW_PASSED"
