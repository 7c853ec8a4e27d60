"""Revealing one card's current code."""

from vault.audit.event import Item
from vault.errors import FailedPrecondition
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow
from vault.model.states import CardState
from vault.policy.call import Call
from vault.service.issuing.delivery import Delivered, Delivery, OpenedCode, Random, check_delivery, deliver, open_codes
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.select import Selector, check_not_on_hold, select_one


class Reveal:
    """Delivers the code of a card to who may see it, saying why."""

    def __init__(self, recorder: Recorder, random: Random) -> None:
        self._recorder = recorder
        self._random = random

    async def reveal(self, call: Call, program: str, selector: Selector, delivery: Delivery, note: str) -> Delivered:
        """Deliver the current code of a card.

        Raises:
            NotFound: There is no such program, card or recipient.
            FailedPrecondition: The card or program is closed, the card is on hold, the program does not deliver
                in clear, or this is a retry and the card has a new code since.
            IntegrityFailure: A row or ciphertext is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[Delivered]:
            return self._deliver(scope, call, select_one(scope, program, selector), delivery, note)

        def keep(delivered: Delivered) -> RequestResult:
            (code,) = delivered.codes
            result = RequestResult()
            result.items.add(card_id=code.card_id, generation=delivered.generation)
            return result

        def restore(scope: Scope, kept: RequestResult) -> Recorded[Delivered]:
            (item,) = kept.items
            card = select_one(scope, program, Selector(item.card_id))
            if card.generation != item.generation:
                raise FailedPrecondition("the card has a new code since", reason="DELIVERY_PASSED")
            return self._deliver(scope, call, card, delivery, note)

        return await self._recorder.once(call, work, Replay(keep, restore))

    def _deliver(self, scope: Scope, call: Call, card: CardRow, delivery: Delivery, note: str) -> Recorded[Delivered]:
        recipient = check_delivery(scope, scope.snapshot.open_program(card.program), delivery)
        if card.state == CardState.CLOSED:
            raise FailedPrecondition("the card is closed", reason="CARD_CLOSED")
        check_not_on_hold(scope, [card])
        serial, code = open_codes(scope, {card.card_id: card.generation})[card.card_id]
        opened = [OpenedCode(card.card_id, serial, code, card.expires_ms)]
        event = event_of(call, program=card.program)._replace(
            delivered=True, subject=delivery.recipient, note=note, items=[Item(card.card_id, "DONE")]
        )
        return Recorded(deliver(recipient, opened, self._random, card.generation), event)
