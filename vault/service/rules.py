"""What may become of a card: the state machine as a table, and the rule of each bulk change.

::

    INACTIVE --activate--> ACTIVE --suspend--> SUSPENDED --resume--> ACTIVE
    ACTIVE --deactivate (unused, within the window)--> INACTIVE
    ACTIVE --redeem--> REDEEMED --reverse (within the window)--> ACTIVE
    INACTIVE, ACTIVE, SUSPENDED, REDEEMED --close--> CLOSED

Doing what is done already is DONE and changes nothing, so that a second attempt under another request id does
no harm.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from vault.model.rows import CardRow
from vault.model.states import BatchState, CardState, ChangeOutcome, Usage
from vault.service.change import Each, Rule
from vault.service.etags import etag
from vault.service.recorder import Scope
from vault.service.select import intact

TRANSITIONS: Mapping[str, tuple[frozenset[CardState], CardState]] = {
    "activate": (frozenset({CardState.INACTIVE}), CardState.ACTIVE),
    "deactivate": (frozenset({CardState.ACTIVE}), CardState.INACTIVE),
    "suspend": (frozenset({CardState.ACTIVE}), CardState.SUSPENDED),
    "resume": (frozenset({CardState.SUSPENDED}), CardState.ACTIVE),
    "close": (
        frozenset({CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED, CardState.REDEEMED}),
        CardState.CLOSED,
    ),
    "redeem": (frozenset({CardState.ACTIVE}), CardState.REDEEMED),
    "reverse": (frozenset({CardState.REDEEMED}), CardState.ACTIVE),
}
"""What each verb takes a card from, and to."""

SOLD = frozenset({CardState.ACTIVE, CardState.SUSPENDED, CardState.REDEEMED})
"""States of cards whose use the ledger may tell."""

ENDED_BATCHES = frozenset({BatchState.CANCELLED, BatchState.WITHDRAWN})


def turn(verb: str) -> Rule:
    """Return the rule of a change that only moves the state."""
    allowed, state = TRANSITIONS[verb]

    def each(_: int, card: CardRow) -> CardRow | ChangeOutcome:
        if card.state == state:
            return card
        return card._replace(state=state) if card.state in allowed else ChangeOutcome.WRONG_STATE

    return lambda _: each


def activate(scope: Scope) -> Each:
    """Rule of a sale: the card must not be on hold nor expired, nor its batch cancelled or withdrawn."""
    allowed, state = TRANSITIONS["activate"]

    @cache
    def batch_ended(batch_id: bytes) -> bool:
        batch = scope.tx.batches.get(batch_id)
        return batch is None or not intact(scope.snapshot, "batch", batch) or batch.state in ENDED_BATCHES

    def each(_: int, card: CardRow) -> CardRow | ChangeOutcome:
        if card.state == state:
            return card
        if card.state not in allowed:
            return ChangeOutcome.WRONG_STATE
        if scope.snapshot.holds.keeps(card):
            return ChangeOutcome.ON_HOLD
        if expired(card, scope.now_ms):
            return ChangeOutcome.EXPIRED
        if card.batch_id is not None and batch_ended(card.batch_id):
            return ChangeOutcome.WRONG_STATE
        return card._replace(state=state, activated_ms=scope.now_ms)

    return each


def deactivate(scope: Scope) -> Each:
    """Rule of an undone sale: unused, and within the program's window."""
    allowed, state = TRANSITIONS["deactivate"]

    def each(_: int, card: CardRow) -> CardRow | ChangeOutcome:
        if card.state == state:
            return card
        if card.state not in allowed or card.usage != Usage.UNUSED:
            return ChangeOutcome.WRONG_STATE
        window_ms = 1000 * scope.snapshot.program(card.program).activation_undo_seconds
        if card.activated_ms is None or scope.now_ms - card.activated_ms > window_ms:
            return ChangeOutcome.WINDOW_PASSED
        return card._replace(state=state, activated_ms=None)

    return each


def mark(usages: Sequence[Usage]) -> Rule:
    """Return the rule that takes down what the ledger says of each card."""

    def each(place: int, card: CardRow) -> CardRow | ChangeOutcome:
        if card.state not in SOLD:
            return ChangeOutcome.WRONG_STATE
        return card if card.usage == usages[place] else card._replace(usage=usages[place])

    return lambda _: each


class CardValues(NamedTuple):
    """New values of one card in UpdateCards; only the columns that the mask names are there."""

    columns: Mapping[str, Any]
    etag: str = ""


def update(values: Sequence[CardValues]) -> Rule:
    """Return the rule that gives each card new values of ``reference`` and ``expires_ms``."""

    def each(place: int, card: CardRow) -> CardRow | ChangeOutcome:
        new = values[place]
        if new.etag and new.etag != etag(card.revision):
            return ChangeOutcome.ETAG_MISMATCH
        if card.state == CardState.CLOSED:
            return ChangeOutcome.WRONG_STATE
        changed = card._replace(**new.columns)
        return card if changed == card else changed

    return lambda _: each


def expired(card: CardRow, now_ms: int) -> bool:
    """Whether a card has expired."""
    return card.expires_ms is not None and card.expires_ms <= now_ms
