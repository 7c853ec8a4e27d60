"""Issuing up to 1,000 cards at once.

A retry opens the codes again for the same caller, as a delivery of its own in the audit log. It is refused once
a card has changed, be it that it was sold (and perhaps given back) or has a new code: by then someone else may
hold it, and whoever asks again should reveal or re-issue on purpose. It is refused too while a card is on hold.
"""

from collections.abc import Sequence
from typing import NamedTuple

from vault.audit.event import Event, Item
from vault.errors import FailedPrecondition, Unavailable
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow
from vault.policy.call import Call
from vault.service.issuing.delivery import Delivered, Delivery, OpenedCode, Random, check_delivery, deliver, open_codes
from vault.service.issuing.issue import CardPlan, Issuer, Prepared
from vault.service.issuing.preparation import Preparation, until_fresh
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.select import check_not_on_hold, verified_cards
from vault.service.tally import take_room


class Issued(NamedTuple):
    """Cards as issued, for the answer and for what is kept of it."""

    delivered: Delivered
    cards: Sequence[CardRow]


class Issuance:
    """Issues cards at once."""

    def __init__(self, recorder: Recorder, preparation: Preparation, issuer: Issuer, random: Random) -> None:
        self._recorder = recorder
        self._preparation = preparation
        self._issuer = issuer
        self._random = random

    async def issue(self, call: Call, program: str, plans: Sequence[CardPlan], delivery: Delivery) -> Delivered:
        """Issue one card for each plan and deliver the codes, in the plans' order.

        Raises:
            InvalidInput: An expiry is not in the future.
            NotFound: There is no such program or recipient.
            FailedPrecondition: The program is stopped or closed, an incident has stopped issuance in it, it
                does not deliver in clear, has no room under its guess odds, or this is a retry that comes after
                the cards have moved on or were put on hold.
            AlreadyExists: The request id was used for another request.
        """

        async def attempt() -> Issued:
            answered = await self._recorder.answered(call)
            prepared = None if answered else await self._preparation.prepare(program, plans)
            return await self._recorder.once(
                call,
                lambda scope: self._issue(scope, call, prepared, delivery),
                Replay(_keep, lambda scope, kept: self._again(scope, call, program, delivery, kept)),
            )

        return (await until_fresh(attempt)).delivered

    def _issue(self, scope: Scope, call: Call, prepared: Prepared | None, delivery: Delivery) -> Recorded[Issued]:
        if prepared is None:
            raise Unavailable("the request was swept meanwhile; try again", reason="STALE")
        program = scope.snapshot.issuing_program(prepared.program)
        recipient = check_delivery(scope, program, delivery)
        take_room(scope, program, len(prepared.cards))
        cards = self._issuer.claim(scope, prepared)
        codes = [OpenedCode(new.card.card_id, new.serial, new.code, new.card.expires_ms) for new in cards]
        rows = [new.card for new in cards]
        event = self._event(call, program.program, delivery)
        event = event._replace(items=[Item(row.card_id, "DONE", b"", row.tag) for row in rows])
        return Recorded(Issued(deliver(recipient, codes, self._random), rows), event)

    def _again(
        self, scope: Scope, call: Call, program: str, delivery: Delivery, kept: RequestResult
    ) -> Recorded[Issued]:
        recipient = check_delivery(scope, scope.snapshot.running_program(program), delivery)
        ids = [item.card_id for item in kept.items]
        cards = verified_cards(scope, program, ids)
        for item, card_id in zip(kept.items, ids, strict=True):
            if cards[card_id].revision != item.revision:
                raise FailedPrecondition(
                    "cards of this request have changed since; their codes are not delivered again",
                    reason="DELIVERY_PASSED",
                )
        check_not_on_hold(scope, cards.values())
        opened = open_codes(scope, dict.fromkeys(ids, 1))
        codes = [OpenedCode(card_id, *opened[card_id], cards[card_id].expires_ms) for card_id in ids]
        event = self._event(call, program, delivery)._replace(items=[Item(card_id, "DONE") for card_id in ids])
        return Recorded(Issued(deliver(recipient, codes, self._random), [cards[i] for i in ids]), event)

    def _event(self, call: Call, program: str, delivery: Delivery) -> Event:
        return event_of(call, program=program)._replace(delivered=True, subject=delivery.recipient)


def _keep(issued: Issued) -> RequestResult:
    kept = RequestResult()
    for card in issued.cards:
        kept.items.add(card_id=card.card_id, state=card.state, revision=card.revision, generation=card.generation)
    return kept
