"""Reading cards."""

from collections.abc import Sequence
from typing import NamedTuple

from vault.audit.event import Item
from vault.errors import IntegrityFailure
from vault.model.rows import CardRow
from vault.model.states import CardState, ChangeOutcome, ProgramState, Usage
from vault.policy.call import Call
from vault.service.recorder import Recorded, Recorder, Scope, event_of
from vault.service.rules import expired
from vault.service.select import Selector, intact, select, select_one


class CardView(NamedTuple):
    """A card and the serial of its current generation."""

    row: CardRow
    serial: str


class CardFilter(NamedTuple):
    """Which cards to list; None does not limit."""

    batch_id: bytes | None = None
    state: CardState | None = None
    usage: Usage | None = None


class CardStatus(NamedTuple):
    """What may be done with one card; ``card`` is None where none was found."""

    card: CardRow | None
    expired: bool = False
    usable: bool = False


class Cards:
    """Reads cards by card id or serial."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def get(self, call: Call, program: str, selector: Selector) -> CardView:
        """Return one card.

        Raises:
            NotFound: There is no such program, or no such card in it.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[CardView]:
            scope.snapshot.program(program)
            (view,) = _views(scope, [select_one(scope, program, selector)])
            event = event_of(call, program=program)._replace(items=[Item(view.row.card_id, "OK")])
            return Recorded(view, event)

        return await self._recorder.record(work, call)

    async def page(self, call: Call, program: str, wanted: CardFilter, after: bytes, limit: int) -> list[CardView]:
        """Return up to ``limit`` cards with ids after ``after``, by id.

        Raises:
            NotFound: There is no such program.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def look(scope: Scope) -> list[CardView]:
            scope.snapshot.program(program)
            rows = scope.tx.cards.page(
                program, after, limit, batch_id=wanted.batch_id, state=wanted.state, usage=wanted.usage
            )
            return _views(scope, rows)

        views = await self._recorder.listed(look)
        event = event_of(call, program=program)._replace(items=[Item(view.row.card_id, "OK") for view in views])
        return await self._recorder.record(lambda _: Recorded(views, event), call)

    async def statuses(self, call: Call, program: str, selectors: Sequence[Selector]) -> list[CardStatus]:
        """Return what may be done with each card, in the selectors' order.

        Raises:
            NotFound: There is no such program.
        """

        def work(scope: Scope) -> Recorded[list[CardStatus]]:
            running = scope.snapshot.program(program).state == ProgramState.ACTIVE
            found = select(scope, program, selectors)
            statuses = []
            for selected in found:
                card = selected.card
                if card is None:
                    statuses.append(CardStatus(None))
                    continue
                over = expired(card, scope.now_ms)
                free = running and not scope.snapshot.holds.keeps(card)
                statuses.append(CardStatus(card, over, free and card.state == CardState.ACTIVE and not over))
            items = [
                Item(selected.card_id, selected.outcome.name)
                for selected in found
                if selected.outcome != ChangeOutcome.REPEATED
            ]
            return Recorded(statuses, event_of(call, program=program)._replace(items=items))

        return await self._recorder.record(work, call)


def _views(scope: Scope, rows: Sequence[CardRow]) -> list[CardView]:
    """Check cards and find the serials of their current generations."""
    serials: dict[tuple[bytes, int], str] = {}
    for code in scope.tx.codes.of_cards([row.card_id for row in rows]):
        if not intact(scope.snapshot, "code", code):
            raise IntegrityFailure("a code's row failed its integrity check", reason="ROW_TAG")
        serials[code.card_id, code.generation] = code.serial
    views = []
    for row in rows:
        if not intact(scope.snapshot, "card", row):
            raise IntegrityFailure("a card's row failed its integrity check", reason="ROW_TAG")
        serial = serials.get((row.card_id, row.generation))
        if serial is None:
            raise IntegrityFailure("a card's code is missing", reason="CODE_MISSING")
        views.append(CardView(row, serial))
    return views
