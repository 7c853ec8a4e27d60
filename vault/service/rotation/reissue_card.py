"""ReissueCard: a new code for one card at once, delivered to the caller, such as for a card that was lost.

A retry opens the same code again, as a delivery of its own in the audit log; it is refused once the card has
another.
"""

from typing import NamedTuple

from vault.audit.event import Item
from vault.errors import FailedPrecondition, IntegrityFailure, NotFound, Unavailable
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow
from vault.model.states import CardState, ChangeOutcome
from vault.policy.call import Call
from vault.service.budget import WrapBudget
from vault.service.issuing.delivery import Delivered, Delivery, OpenedCode, Random, check_delivery, deliver, open_codes
from vault.service.issuing.preparation import until_fresh
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rotation.lineage import serials_of
from vault.service.rotation.reissue import WRAPS_PER_CARD, PreparedCodes, Reissuer
from vault.service.select import Selector, check_not_on_hold, select, select_one

REPLACED = frozenset({CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED})
"""States in which a card's code is or may become good."""


class CardRequest(NamedTuple):
    """Which card is to get a new code, how that is delivered, and why."""

    program: str
    selector: Selector
    delivery: Delivery
    note: str


class CardReissue:
    """Gives single cards new codes."""

    def __init__(self, recorder: Recorder, budget: WrapBudget, reissuer: Reissuer, random: Random) -> None:
        self._recorder = recorder
        self._budget = budget
        self._reissuer = reissuer
        self._random = random

    async def reissue(self, call: Call, request: CardRequest) -> Delivered:
        """Give a card a new code and deliver it; the one of its codes names the serial before.

        Raises:
            NotFound: There is no such program, card or recipient.
            FailedPrecondition: The program is closed or does not deliver in clear, the card is closed, spent or
                on hold, the serial is a superseded one (OLD_SERIAL), or this is a retry and the card has another
                code since (DELIVERY_PASSED).
            IntegrityFailure: A row or ciphertext is not what the vault wrote.
        """

        async def attempt() -> Delivered:
            prepared = None
            if not await self._recorder.answered(call):
                await self._budget.reserve(request.program, WRAPS_PER_CARD)
                prepared = await self._recorder.store.read(lambda tx: self._prepare(self._recorder.scope(tx), request))
            return await self._recorder.once(
                call,
                lambda scope: self._reissue(scope, call, request, prepared),
                Replay(_keep, lambda scope, kept: self._again(scope, call, request, kept)),
            )

        return await until_fresh(attempt)

    def _prepare(self, scope: Scope, request: CardRequest) -> PreparedCodes:
        card = _card(scope, request)
        return self._reissuer.prepare(scope.snapshot, request.program, [card])

    def _reissue(
        self, scope: Scope, call: Call, request: CardRequest, prepared: PreparedCodes | None
    ) -> Recorded[Delivered]:
        if prepared is None:
            raise Unavailable("the request was swept meanwhile; try again", reason="STALE")
        card = _card(scope, request)
        if card.card_id != prepared.replacements[0].before.card_id:
            raise Unavailable("the serial names another card meanwhile", reason="STALE")
        (written,) = self._reissuer.write(scope, prepared, {card.card_id: card})
        item = Item(card.card_id, "DONE", written.before.tag, written.after.tag)
        return self._deliver(scope, call, request, written.after, item)

    def _again(self, scope: Scope, call: Call, request: CardRequest, kept: RequestResult) -> Recorded[Delivered]:
        (item,) = kept.items
        card = select_one(scope, request.program, Selector(item.card_id))
        if card.generation != item.generation:
            raise FailedPrecondition("the card has a new code since", reason="DELIVERY_PASSED")
        _check_card(scope, card)
        return self._deliver(scope, call, request, card, Item(card.card_id, "DONE"))

    def _deliver(
        self, scope: Scope, call: Call, request: CardRequest, card: CardRow, item: Item
    ) -> Recorded[Delivered]:
        recipient = check_delivery(scope, scope.snapshot.open_program(card.program), request.delivery)
        generations = {card.card_id: card.generation}
        before = serials_of(scope, generations)[card.card_id, card.generation - 1]
        serial, code = open_codes(scope, generations)[card.card_id]
        opened = [OpenedCode(card.card_id, serial, code, card.expires_ms, before)]
        event = event_of(call, program=card.program)._replace(
            delivered=True, subject=request.delivery.recipient, note=request.note, items=[item]
        )
        return Recorded(deliver(recipient, opened, self._random, card.generation), event)


def _card(scope: Scope, request: CardRequest) -> CardRow:
    """Return the card of a request, if it may have a new code."""
    check_delivery(scope, scope.snapshot.open_program(request.program), request.delivery)
    (found,) = select(scope, request.program, [request.selector], current_serial=True)
    if found.outcome == ChangeOutcome.INTEGRITY:
        raise IntegrityFailure("the card's row failed its integrity check", reason="ROW_TAG")
    if found.card is None:
        raise NotFound("there is no such card in the program", reason="CARD_NOT_FOUND", field="card")
    if found.outcome == ChangeOutcome.OLD_SERIAL:
        message = "the serial is of a superseded code; the card has a newer one"
        raise FailedPrecondition(message, reason="OLD_SERIAL", field="card.serial")
    _check_card(scope, found.card)
    return found.card


def _check_card(scope: Scope, card: CardRow) -> None:
    if card.state not in REPLACED:
        name = CardState(card.state).name
        raise FailedPrecondition(f"the card is {name.lower()}", reason=f"CARD_{name}", field="card")
    check_not_on_hold(scope, [card])


def _keep(delivered: Delivered) -> RequestResult:
    (code,) = delivered.codes
    result = RequestResult()
    result.items.add(card_id=code.card_id, generation=delivered.generation)
    return result
