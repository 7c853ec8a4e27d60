"""Any sequence of changes, against a plain dictionary that does the same."""

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.service.invariants import check_invariants
from tests.workshop import START_MS, Workshop, workshop
from vault.model.states import CardState, ChangeOutcome, Detail, Usage
from vault.service import rules
from vault.service.answering.judge import BY_STATE
from vault.service.change import Rule
from vault.service.issuing.issue import CardPlan

WINDOW_SECONDS = 100
FROM = {
    "activate": {CardState.INACTIVE},
    "deactivate": {CardState.ACTIVE},
    "suspend": {CardState.ACTIVE},
    "resume": {CardState.SUSPENDED},
    "close": {CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED},
}
TO = {
    "activate": CardState.ACTIVE,
    "deactivate": CardState.INACTIVE,
    "suspend": CardState.SUSPENDED,
    "resume": CardState.ACTIVE,
    "close": CardState.CLOSED,
}
RULES: dict[str, Rule] = {
    "activate": rules.activate,
    "deactivate": rules.deactivate,
    **{verb: rules.turn(verb) for verb in ("suspend", "resume", "close")},
}


class Known(NamedTuple):
    """What the model knows of a card."""

    state: CardState
    usage: Usage
    expires_ms: int | None
    activated_ms: int | None
    revision: int


def _turn(verb: str, card: Known, now_ms: int) -> tuple[ChangeOutcome, Known]:
    if card.state == TO[verb]:
        return ChangeOutcome.DONE, card
    if card.state not in FROM[verb]:
        return ChangeOutcome.WRONG_STATE, card
    activated_ms = card.activated_ms
    if verb == "activate":
        if card.expires_ms is not None and now_ms >= card.expires_ms:
            return ChangeOutcome.EXPIRED, card
        activated_ms = now_ms
    elif verb == "deactivate":
        if card.usage != Usage.UNUSED:
            return ChangeOutcome.WRONG_STATE, card
        assert activated_ms is not None
        if now_ms > activated_ms + 1000 * WINDOW_SECONDS:
            return ChangeOutcome.WINDOW_PASSED, card
        activated_ms = None
    revision = card.revision + 1
    return ChangeOutcome.DONE, card._replace(state=TO[verb], activated_ms=activated_ms, revision=revision)


def _detail(card: Known, now_ms: int) -> Detail:
    detail = BY_STATE[card.state]
    late = card.expires_ms is not None and now_ms >= card.expires_ms
    return Detail.EXPIRED if detail == Detail.GOOD and late else detail


_which = st.lists(st.integers(0, 7), min_size=1, max_size=4, unique=True)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), st.sampled_from([CardState.INACTIVE, CardState.ACTIVE]), st.booleans()),
        st.tuples(st.sampled_from(sorted(TO)), _which, st.none()),
        st.tuples(st.just("mark"), _which, st.sampled_from(list(Usage))),
        st.tuples(st.just("wait"), st.sampled_from([1, 60, 101]), st.none()),
    ),
    min_size=5,
    max_size=40,
)


async def _run(shop: Workshop, steps: list[tuple[str, object, object]]) -> None:
    await shop.program(activation_undo_seconds=WINDOW_SECONDS)
    known: dict[bytes, Known] = {}
    codes: dict[bytes, bytes] = {}
    for name, what, how in [("issue", CardState.INACTIVE, False), *steps]:
        now_ms = shop.clock()
        if name == "wait":
            assert isinstance(what, int)
            shop.clock.advance(what)
        elif name == "issue":
            assert isinstance(what, CardState)
            expires_ms = now_ms + 90_000 if how else None
            (code,) = (await shop.issue(plan=CardPlan(state=what, expires_ms=expires_ms))).codes
            activated_ms = now_ms if what == CardState.ACTIVE else None
            known[code.card_id] = Known(what, Usage.UNUSED, expires_ms, activated_ms, 1)
            codes[code.card_id] = code.code.expose()
        else:
            assert isinstance(what, list)
            ids = [card_id for place, card_id in enumerate(known) if place in what]
            rule = rules.mark([Usage(how)] * len(ids)) if isinstance(how, Usage) else RULES[name]
            for card_id, change in zip(ids, await shop.change(rule, *ids), strict=True):
                card = known[card_id]
                if not isinstance(how, Usage):
                    outcome, card = _turn(name, card, now_ms)
                elif card.state not in (CardState.ACTIVE, CardState.SUSPENDED):
                    outcome = ChangeOutcome.WRONG_STATE
                else:
                    outcome = ChangeOutcome.DONE
                    card = card._replace(usage=how, revision=card.revision + (card.usage != how))
                known[card_id] = card
                assert (change.outcome, change.state, change.etag) == (outcome, card.state, f"r{card.revision}")
        judged = await shop.judge(*codes.values())
        assert [j.detail for j in judged] == [_detail(known[card_id], shop.clock()) for card_id in codes]
    stored = {
        row["card_id"]: Known(row["state"], row["usage"], row["expires_ms"], row["activated_ms"], row["revision"])
        for row in shop.database.rows("card")
    }
    assert stored == known
    assert await check_invariants(shop) == len(known)
    assert shop.clock() >= START_MS


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_any_sequence_of_changes_does_what_the_model_does(steps: list[tuple[str, object, object]]) -> None:
    async def run(folder: Path) -> None:
        async with workshop(folder) as shop:
            await _run(shop, steps)

    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        runner.run(run(Path(folder)))
