"""The state machine of a card: every state with every verb."""

from collections.abc import Mapping

import pytest

from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.errors import FailedPrecondition
from vault.model.states import CardState, ChangeOutcome, Detail, Usage
from vault.service import rules
from vault.service.change import Rule
from vault.service.issuing.delivery import OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector

I, A, S, C, R = (  # noqa: E741  the table below is read by its letters
    CardState.INACTIVE,
    CardState.ACTIVE,
    CardState.SUSPENDED,
    CardState.CLOSED,
    CardState.REDEEMED,
)

RULES: Mapping[str, Rule] = {
    "activate": rules.activate,
    "deactivate": rules.deactivate,
    "suspend": rules.turn("suspend"),
    "resume": rules.turn("resume"),
    "close": rules.turn("close"),
}

TABLE: Mapping[str, Mapping[CardState, CardState | None]] = {
    "activate": {I: A, A: A, S: None, C: None, R: None},
    "deactivate": {I: I, A: I, S: None, C: None, R: None},
    "suspend": {I: None, A: S, S: S, C: None, R: None},
    "resume": {I: None, A: A, S: A, C: None, R: None},
    "close": {I: C, A: C, S: C, C: C, R: C},
    "redeem": {I: None, A: R, S: None, C: None, R: None},
    "reverse": {I: None, A: None, S: None, C: None, R: A},
}
"""What each verb makes of a card in each state; None where it is refused."""


async def _card(shop: Workshop, state: CardState) -> tuple[OpenedCode, bytes]:
    """Issue a card and bring it to a state; return its code and the redemption, if any."""
    (code,) = (await shop.issue(plan=CardPlan(state=I if state == I else A))).codes
    redemption = bytes(16)
    if state == R:
        redemption = (await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())).redemption_id
    elif state in (S, C):
        await shop.change(rules.turn("suspend" if state == S else "close"), code.card_id)
    return code, redemption


async def _do(shop: Workshop, verb: str, code: OpenedCode, redemption: bytes) -> bool:
    if verb == "redeem":
        return (await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())).detail == Detail.GOOD
    if verb == "reverse":
        try:
            await shop.redemptions.reverse(shop.call(), "netcash", Selector(code.card_id), redemption)
        except FailedPrecondition:
            return False
        return True
    (change,) = await shop.change(RULES[verb], code.card_id)
    return change.outcome == ChangeOutcome.DONE


def test_the_table_names_every_verb_and_state() -> None:
    assert TABLE.keys() == rules.TRANSITIONS.keys()
    assert all(row.keys() == set(CardState) for row in TABLE.values())


@pytest.mark.parametrize("state", list(CardState))
@pytest.mark.parametrize("verb", list(TABLE))
async def test_each_verb_does_what_the_table_says(shop: Workshop, verb: str, state: CardState) -> None:
    await shop.program(single_use=True)
    code, redemption = await _card(shop, state)
    (before,) = shop.database.rows("card")
    assert before["state"] == state
    expected = TABLE[verb][state]
    assert await _do(shop, verb, code, redemption) == (expected is not None)
    (after,) = shop.database.rows("card")
    assert after["state"] == (state if expected is None else expected)
    assert after["revision"] - before["revision"] == (expected not in (None, state))
    if expected in (None, state):
        assert after == before
    await check_invariants(shop)


async def test_the_changes_answer_says_what_the_card_is_now(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    for rule, state, etag in (
        (rules.activate, A, "r2"),
        (rules.activate, A, "r2"),
        (rules.mark([Usage.IN_USE]), A, "r3"),
        (rules.turn("close"), C, "r4"),
        (rules.activate, C, "r4"),
    ):
        (change,) = await shop.change(rule, code.card_id)
        assert (change.card_id, change.state, change.etag) == (code.card_id, state, etag)
