"""The checker of histories: it refuses what could not have happened, and only that."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.system.history import Card, Operation, apply, check


def op(verb: str, start: int, end: int, answer: str = "", argument: str = "") -> Operation:
    return Operation("one", verb, start, end, answer, argument)


SOLD = op("activate", 1, 2, "DONE ACTIVE")


def test_operations_one_after_the_other_are_in_order() -> None:
    history = [
        op("get", 0, 1, "INACTIVE"),
        SOLD,
        op("redeem", 3, 4, "GOOD r1"),
        op("redeem", 5, 6, "NOT_GOOD"),
        op("reverse", 7, 8, "REFUSED", "r0"),
        op("reverse", 9, 10, "DONE", "r1"),
        op("suspend", 11, 12, "DONE SUSPENDED"),
        op("validate", 13, 14, "NOT_GOOD"),
        op("activate", 15, 16, "WRONG_STATE SUSPENDED"),
        op("resume", 17, 18, "DONE ACTIVE"),
        op("close", 19, 20, "DONE CLOSED"),
        op("deactivate", 21, 22, "WRONG_STATE CLOSED"),
    ]
    assert check(history) == []
    random.Random(1).shuffle(history)
    assert check(history) == []


def test_two_winners_are_refused() -> None:
    assert check([SOLD, op("redeem", 3, 10, "GOOD r1"), op("redeem", 4, 9, "GOOD r2")])
    assert not check([SOLD, op("redeem", 3, 10, "GOOD r1"), op("redeem", 4, 9, "NOT_GOOD")])


def test_two_winners_with_a_reversal_between_that_can_be_are_in_order() -> None:
    won = [SOLD, op("redeem", 3, 5, "GOOD r1"), op("redeem", 4, 20, "GOOD r2")]
    assert not check([*won, op("reverse", 6, 7, "DONE", "r1")])
    assert check([*won, op("reverse", 21, 22, "DONE", "r1")])


def test_a_lost_update_is_refused() -> None:
    lost = [SOLD, op("suspend", 3, 4, "DONE SUSPENDED"), op("get", 5, 6, "ACTIVE")]
    assert check(lost)
    assert not check([*lost, op("resume", 3, 7, "DONE ACTIVE")])


def test_an_update_lost_between_two_that_overlap_is_refused() -> None:
    both = [SOLD, op("redeem", 3, 6, "GOOD r1"), op("close", 4, 7, "DONE CLOSED")]
    assert not check([*both, op("get", 8, 9, "CLOSED")])
    assert check([*both, op("get", 8, 9, "REDEEMED")])


def test_a_stale_read_is_refused() -> None:
    assert check([SOLD, op("get", 3, 4, "INACTIVE")])
    assert check([SOLD, op("validate", 3, 4, "NOT_GOOD")])
    assert not check([SOLD, op("validate", 1, 4, "NOT_GOOD")])


def test_reads_that_go_back_in_time_are_refused() -> None:
    late = op("activate", 1, 20, "DONE ACTIVE")
    assert not check([late, op("get", 2, 3, "INACTIVE"), op("get", 4, 5, "ACTIVE")])
    assert check([late, op("get", 2, 3, "ACTIVE"), op("get", 4, 5, "INACTIVE")])


def test_an_unknown_outcome_may_have_happened_late_or_never_but_not_before_its_start() -> None:
    unknown = op("close", 5, 0)
    assert not check([SOLD, unknown])
    assert not check([SOLD, unknown, op("get", 6, 7, "ACTIVE"), op("get", 8, 9, "CLOSED")])
    assert check([SOLD, unknown, op("get", 6, 7, "CLOSED"), op("get", 8, 9, "ACTIVE")])
    assert check([SOLD, unknown, op("get", 3, 4, "CLOSED")])


def test_an_unknown_redemption_happens_once_and_nobody_can_reverse_it() -> None:
    unknown = op("redeem", 3, 0)
    assert not check([SOLD, unknown, op("redeem", 4, 5, "NOT_GOOD")])
    assert check([SOLD, unknown, op("redeem", 4, 5, "NOT_GOOD"), op("get", 6, 7, "ACTIVE")])
    assert check([SOLD, unknown, op("redeem", 4, 5, "NOT_GOOD"), op("reverse", 6, 7, "DONE", "r1")])


def test_a_violation_names_its_card_and_leaves_the_others_alone() -> None:
    (violation,) = check([SOLD, op("get", 3, 4, "CLOSED")._replace(card="other"), op("get", 3, 4, "ACTIVE")])
    assert violation.operation.card == "other"
    assert violation.states == [Card()]


VERBS = ["activate", "deactivate", "suspend", "resume", "close", "redeem", "reverse", "validate", "get"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 12), st.integers(1, 12), st.booleans()), max_size=25))
def test_whatever_did_happen_in_some_order_is_accepted(steps: list[tuple[str, int, int, bool]]) -> None:
    """Operations take effect at 10, 20, 30…, begin before and end after, and lose answers at times."""
    card, history, redemption = Card(), [], "none"
    for place, (verb, before, after, lost) in enumerate(steps, 1):
        start, end = 100 + 10 * place - before, 0 if lost else 100 + 10 * place + after
        asked = op(verb, start, end or 1, f"GOOD r{place}", redemption)
        card, answer = apply(card, asked)
        redemption = f"r{place}" if answer == f"GOOD r{place}" else redemption
        history.append(asked._replace(answer="" if lost else answer, end=end))
    known = {operation.answer.removeprefix("GOOD ") for operation in history}
    # Nobody can name a redemption whose answer was lost.
    history = [step for step in history if step.argument in known | {"none"} or step.verb != "reverse"]
    if all(step.end or step.verb != "redeem" for step in history) and len(history) == len(steps):
        assert check(history) == []
