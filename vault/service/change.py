"""Changing cards in bulk: one rule for each card, one transaction, one event for all.

A *rule* looks at one card and returns either the card as it should be or the outcome that says why not. What
all changes share stands here: finding, checking rows and etags, revisions, tags, the count for the guess odds,
the event and the retry.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from vault.audit.event import Item
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow
from vault.model.shape import SHAPES
from vault.model.states import ChangeOutcome
from vault.policy.call import Call
from vault.service import tally
from vault.service.etags import etag
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.select import Selected, Selector, select

Each = Callable[[int, CardRow], CardRow | ChangeOutcome]
"""Given an item's position and its card: the changed card, the same card (nothing to do), or why not."""

Rule = Callable[[Scope], Each]
"""Begins a rule in a scope; work may run more than once, so a rule keeps nothing from one run to the next."""

Beside = Callable[[Scope, Mapping[int, bytes]], None]
"""Writes what belongs to a change in its transaction, given the ids of the cards that changed by their positions."""


class Change(NamedTuple):
    """What became of one item; ``state`` is 0 and ``etag`` empty where no card was found."""

    outcome: ChangeOutcome
    card_id: bytes = b""
    state: int = 0
    etag: str = ""


class Order(NamedTuple):
    """What a bulk change is to do."""

    program: str
    selectors: Sequence[Selector]
    rule: Rule
    current_serial: bool = False
    note: str = ""
    validate_only: bool = False
    needs_running: bool = False
    beside: Beside | None = None


class Changes:
    """Changes cards."""

    def __init__(self, recorder: Recorder, slot: int) -> None:
        """Count in the tally's ``slot``."""
        self._recorder = recorder
        self._slot = slot

    async def apply(self, call: Call, order: Order) -> list[Change]:
        """Carry out an order; every item has its own outcome.

        Raises:
            NotFound: There is no such program.
            FailedPrecondition: The program is closed, or stopped where it must run.
        """
        if order.validate_only:
            call = call._replace(request_id=None)

        def restore(_: Scope, kept: RequestResult) -> Recorded[list[Change]]:
            changes = [
                Change(ChangeOutcome(i.outcome), i.card_id, i.state, etag(i.revision) if i.card_id else "")
                for i in kept.items
            ]
            items = [Item(change.card_id, change.outcome.name) for change in changes]
            return Recorded(changes, event_of(call, program=order.program)._replace(items=items))

        return await self._recorder.once(call, lambda scope: self._apply(scope, call, order), Replay(_keep, restore))

    def _apply(self, scope: Scope, call: Call, order: Order) -> Recorded[list[Change]]:
        snapshot = scope.snapshot
        (snapshot.running_program if order.needs_running else snapshot.open_program)(order.program)
        found = select(scope, order.program, order.selectors, current_serial=order.current_serial)
        each = order.rule(scope)
        wanted = [_wanted(each, place, item) for place, item in enumerate(found)]
        changes, items, rows, delta = [], [], [], 0
        changed_ids: dict[int, bytes] = {}
        for place, (selected, want) in enumerate(zip(found, wanted, strict=True)):
            card, outcome = selected.card, selected.outcome
            before = after = b""
            if isinstance(want, ChangeOutcome):
                outcome = want
            elif card is not None and want is not card:
                delta += tally.delta(card.state, want.state)
                changed = snapshot.tagger.tagged(SHAPES["card"], want._replace(revision=card.revision + 1))
                if not order.validate_only:
                    before, after = card.tag, changed.tag
                    rows.append(changed)
                    changed_ids[place] = changed.card_id
                card = changed
            changes.append(
                Change(outcome, selected.card_id)
                if card is None
                else Change(outcome, card.card_id, card.state, etag(card.revision))
            )
            items.append(Item(selected.card_id, outcome.name, before, after))
        if not order.validate_only:
            scope.tx.cards.update(rows)
            tally.change(scope, order.program, self._slot, delta)
            if order.beside is not None:
                order.beside(scope, changed_ids)
        event = event_of(call, program=order.program, reason="VALIDATE_ONLY" if order.validate_only else "")
        return Recorded(changes, event._replace(items=items, note=order.note))


def _wanted(each: Each, place: int, found: Selected) -> CardRow | ChangeOutcome:
    if found.outcome != ChangeOutcome.DONE or found.card is None:
        return found.outcome
    return each(place, found.card)


def _keep(changes: Sequence[Change]) -> RequestResult:
    kept = RequestResult()
    for change in changes:
        revision = int(change.etag[1:]) if change.etag else 0
        kept.items.add(card_id=change.card_id, outcome=change.outcome, state=change.state, revision=revision)
    return kept
