"""The guess odds: what may be issued, and what gives room back."""

import pytest

from tests.workshop import Workshop
from vault.codes.format import CodeFormat
from vault.errors import FailedPrecondition, InvalidInput, NotFound
from vault.model.states import CheckAlgorithm, JobKind
from vault.service import rules
from vault.service.issuing.batches import BatchPlan
from vault.service.programs import Settings
from vault.service.select import Selector
from vault.service.tally import slot_of

EIGHT = CodeFormat(8, CheckAlgorithm.DAMM, "")
TEN_OF_EIGHT = 1e-6


async def _remaining(shop: Workshop) -> int:
    return (await shop.programs.get(shop.call(), "netcash")).odds.remaining


async def test_an_issuance_beyond_the_odds_is_refused_with_the_count_still_allowed(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    await shop.issue(4)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue(7)
    assert (refused.value.reason, refused.value.metadata) == ("GUESS_ODDS", {"remaining": "6"})
    assert shop.database.count("card") == 4
    await shop.issue(6)
    assert await _remaining(shop) == 0


async def test_odds_count_the_codes_that_may_become_good(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(5)
    view = await shop.programs.get(shop.call(), "netcash")
    assert view.odds.live == 5
    assert view.odds.odds == 5e-15
    assert view.odds.expected_hits_per_hour == pytest.approx(1_700_000 * 5e-15)


async def test_closed_cards_give_their_room_back_once(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    ids = [code.card_id for code in (await shop.issue(10)).codes]
    await shop.change(rules.turn("close"), *ids[:3])
    await shop.change(rules.turn("close"), *ids[:3])
    assert await _remaining(shop) == 3
    await shop.issue(3)
    assert await _remaining(shop) == 0


async def test_activation_and_suspension_leave_the_count_alone(shop: Workshop) -> None:
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(3)).codes]
    for rule in (rules.activate, rules.turn("suspend"), rules.turn("resume"), rules.deactivate):
        await shop.change(rule, *ids)
        assert (await shop.programs.get(shop.call(), "netcash")).odds.live == 3


async def test_a_spent_code_no_longer_counts_until_its_redemption_is_reversed(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT, single_use=True)
    (code,) = (await shop.issue()).codes
    await shop.change(rules.activate, code.card_id)
    spent = await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    assert await _remaining(shop) == 10
    await shop.redemptions.reverse(shop.call(), "netcash", Selector(code.card_id), spent.redemption_id)
    assert await _remaining(shop) == 9


async def test_a_format_with_room_for_no_code_is_refused(shop: Workshop) -> None:
    with pytest.raises(InvalidInput) as refused:
        await shop.programs.create(shop.call(), "tiny", Settings(code_format=EIGHT, max_guess_odds=1e-8))
    assert refused.value.reason == "GUESS_ODDS"
    with pytest.raises(NotFound):
        await shop.programs.get(shop.call(), "tiny")


async def test_odds_cannot_be_lowered_below_one_code(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    with pytest.raises(InvalidInput):
        await shop.programs.update(shop.call(), "netcash", {"max_guess_odds": 1e-8}, "")


async def test_odds_below_what_is_live_leave_no_room(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    await shop.issue(5)
    await shop.programs.update(shop.call(), "netcash", {"max_guess_odds": 2e-7}, "")
    assert await _remaining(shop) == 0


async def test_a_batch_takes_its_room_before_a_card_is_issued(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    await shop.batch(8)
    assert await _remaining(shop) == 2
    with pytest.raises(FailedPrecondition) as refused:
        await shop.batch(3)
    assert refused.value.metadata == {"remaining": "2"}
    await shop.work_all()
    assert await _remaining(shop) == 2


async def test_a_batch_that_is_only_validated_takes_no_room_but_is_checked(shop: Workshop) -> None:
    await shop.program(code_format=EIGHT, max_guess_odds=TEN_OF_EIGHT)
    plan = BatchPlan(8, "printer")
    await shop.batches.create(shop.call(), "netcash", plan, validate_only=True)
    assert await _remaining(shop) == 10
    assert shop.database.count("batch") == shop.database.count("job") == 0
    with pytest.raises(FailedPrecondition, match="10 more are allowed"):
        await shop.batches.create(shop.call(), "netcash", plan._replace(cards=11), validate_only=True)


async def test_a_cancelled_batch_gives_back_what_was_not_issued_at_once_and_the_rest_as_it_is_closed(
    shop: Workshop,
) -> None:
    await shop.program(max_guess_odds=1e-6)
    view = await shop.batch(30_000)
    await shop.work(lambda: shop.database.count("card") > 0)
    issued = shop.database.count("card")
    assert issued < 30_000
    ended = await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", validate_only=False)
    assert ended.to_close == issued
    assert (await shop.programs.get(shop.call(), "netcash")).odds.live == issued
    await shop.work_all()
    assert (await shop.programs.get(shop.call(), "netcash")).odds.live == 0
    assert [job["kind"] for job in shop.database.rows("job")] == [JobKind.ISSUE_BATCH, JobKind.CLOSE_BATCH]


def test_processes_use_every_slot_but_that_of_issuing() -> None:
    assert {slot_of(bytes([first])) for first in range(256)} == set(range(1, 16))
