"""Whether what many callers were answered about one card could have happened one after the other.

1. A history is accepted if and only if its operations can be put in an order in which each takes effect at one
   moment between its start and its end, and in which the sequential model gives the answers that were given
   (linearizability: Herlihy and Wing, 1990; searched as by Wing and Gong, 1993, just in time: Lowe, 2017).
2. An operation whose outcome is unknown may have taken effect at any time after its start, or never.
3. Cards have nothing to do with each other, so each is searched alone, and a history is as good as its worst.

The search keeps every state that the card may be in together with the open operations that have taken effect in
it. It stays small while few operations on one card are open at a time; unknown ones stay open.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

INACTIVE, ACTIVE, SUSPENDED, CLOSED, REDEEMED = "INACTIVE", "ACTIVE", "SUSPENDED", "CLOSED", "REDEEMED"

# What each verb takes a card from, and to; written down again here, so as to be no copy of what is tested.
_TURNS = {
    "activate": ({INACTIVE}, ACTIVE),
    "deactivate": ({ACTIVE}, INACTIVE),
    "suspend": ({ACTIVE}, SUSPENDED),
    "resume": ({SUSPENDED}, ACTIVE),
    "close": ({INACTIVE, ACTIVE, SUSPENDED, REDEEMED}, CLOSED),
}


class Card(NamedTuple):
    """The model of a card: its state, and the redemption that spent it."""

    state: str = INACTIVE
    redemption: str = ""


class Operation(NamedTuple):
    """What one caller asked of one card, when, and what it was answered.

    Times are in nanoseconds of one clock. ``end`` is 0 where the outcome is unknown. ``argument`` is the
    redemption that a reversal names. Answers: a change has its outcome and the state after it, ``DONE ACTIVE``;
    ``redeem`` has ``GOOD`` and the redemption's id, or ``NOT_GOOD``; ``reverse`` has ``DONE`` or ``REFUSED``;
    ``validate`` has ``GOOD`` or ``NOT_GOOD``; ``get`` the state.
    """

    card: str
    verb: str
    start: int
    end: int
    answer: str = ""
    argument: str = ""


class Violation(NamedTuple):
    """A card whose answers no order explains: the operation that could not be placed, and those before it."""

    operation: Operation
    before: Sequence[Operation]
    states: Sequence[Card]


def apply(card: Card, operation: Operation) -> tuple[Card, str]:
    """Return the card after an operation, and the answer that the model gives."""
    verb = operation.verb
    if verb in _TURNS:
        allowed, state = _TURNS[verb]
        if card.state == state:
            return card, f"DONE {state}"
        return (Card(state), f"DONE {state}") if card.state in allowed else (card, f"WRONG_STATE {card.state}")
    if verb in {"redeem", "reverse"}:
        return _spend(card, operation)
    if verb == "validate":
        return card, "GOOD" if card.state == ACTIVE else "NOT_GOOD"
    assert verb == "get", verb
    return card, card.state


def _spend(card: Card, operation: Operation) -> tuple[Card, str]:
    if operation.verb == "reverse":
        if card.state == REDEEMED and card.redemption == operation.argument:
            return Card(ACTIVE), "DONE"
        return card, "REFUSED"
    if card.state != ACTIVE:
        return card, "NOT_GOOD"
    # Who spent it is the answer's to say; nobody knows the id of a redemption whose answer was lost.
    redemption = operation.answer.removeprefix("GOOD ") if operation.end else f"lost at {operation.start}"
    return Card(REDEEMED, redemption), f"GOOD {redemption}"


def check(operations: Iterable[Operation], first: Card | None = None) -> list[Violation]:
    """Return the cards' violations, at most one for each card; none for a history that is in order.

    Args:
        operations: Any number, of any cards, in any order.
        first: What every card was at first; INACTIVE where None.
    """
    by_card: defaultdict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_card[operation.card].append(operation)
    found = (_check_card(history, first or Card()) for history in by_card.values())
    return [violation for violation in found if violation is not None]


Configuration = tuple[Card, frozenset[int]]
"""A state of the card, and which of the open operations have taken effect in it."""


def _check_card(history: list[Operation], first: Card) -> Violation | None:
    # At equal times starts come before ends, which allows more orders, never fewer.
    events = [(operation.start, 0, place) for place, operation in enumerate(history)]
    events += [(operation.end, 1, place) for place, operation in enumerate(history) if operation.end]
    configurations: set[Configuration] = {(first, frozenset())}
    opened: set[int] = set()
    for _, is_end, place in sorted(events):
        if not is_end:
            opened.add(place)
            continue
        after = _with(place, configurations, opened, history)
        if not after:
            before = sorted(
                (other for other in history if other.start <= history[place].end), key=lambda other: other.start
            )
            return Violation(history[place], before[-40:], sorted({card for card, _ in configurations}))
        opened.discard(place)
        configurations = {(card, done - {place}) for card, done in after}
    return None


def _with(
    place: int, configurations: set[Configuration], opened: set[int], history: Sequence[Operation]
) -> set[Configuration]:
    """Return the configurations in which the operation at a place has taken effect, as late as it can be."""
    found: set[Configuration] = set()
    seen: set[Any] = set()
    waiting = list(configurations)
    while waiting:
        configuration = waiting.pop()
        if configuration in seen:
            continue
        seen.add(configuration)
        card, done = configuration
        if place in done:
            found.add(configuration)
            continue
        for other in opened - done:
            operation = history[other]
            after, answer = apply(card, operation)
            if not operation.end:
                # One that is unknown and would change nothing need not happen; leaving it open allows the same.
                if after != card:
                    waiting.append((after, done | {other}))
            elif answer == operation.answer:
                waiting.append((after, done | {other}))
    return found
