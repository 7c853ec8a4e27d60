"""CardService, spoken."""

from typing import Any

from vault.errors import InvalidInput
from vault.model.states import CardState, Usage
from vault.policy.call import Call
from vault.rpc import wire
from vault.rpc.paging import Listing
from vault.service import rules
from vault.service.cards import CardFilter, Cards
from vault.service.change import Changes, Order
from vault.service.issuing.reveal import Reveal
from vault.service.records import Records
from vault.service.rotation.reissue_card import CardReissue, CardRequest
from vault.v1 import card_service_pb2 as pb

UPDATABLE = {"reference": "reference", "expire_time": "expires_ms"}
"""What UpdateCards may change, and the column of each."""


class CardServicer:
    """Answers CardService."""

    def __init__(  # noqa: PLR0913, PLR0917  one for each thing that a keeper does
        self,
        cards: Cards,
        changes: Changes,
        records: Records,
        reissue: CardReissue,
        reveal: Reveal,
        listing: Listing,
    ) -> None:
        self._cards = cards
        self._changes = changes
        self._records = records
        self._reissue = reissue
        self._reveal = reveal
        self._listing = listing

    async def GetCard(self, call: Call, request: pb.GetCardRequest) -> pb.GetCardResponse:
        """Answer one card."""
        view = await self._cards.get(call, request.program, wire.selector(request.card))
        return pb.GetCardResponse(card=wire.card(view))

    async def ListCards(self, call: Call, request: pb.ListCardsRequest) -> pb.ListCardsResponse:
        """List cards."""
        query = (request.program, request.batch_id, request.state, request.usage)
        page = await self._listing.open(call, request, query)
        wanted = CardFilter(
            batch_id=wire.uuid_bytes(request.batch_id) or None,
            state=CardState(request.state) if request.state else None,
            usage=Usage(request.usage) if request.usage else None,
        )
        views = await self._cards.page(call, request.program, wanted, page.cursor, page.limit)
        following = page.following(len(views), lambda: views[-1].row.card_id)
        return pb.ListCardsResponse(cards=[wire.card(view) for view in views], next_page_token=following)

    async def UpdateCards(self, call: Call, request: pb.UpdateCardsRequest) -> pb.UpdateCardsResponse:
        """Change references and expiries."""
        paths = set(request.update_mask.paths)
        if not paths or not paths <= UPDATABLE.keys():
            raise InvalidInput(
                f"name only {' and '.join(sorted(UPDATABLE))}", reason="UPDATE_MASK", field="update_mask"
            )
        values = [rules.CardValues(_columns(update, paths), update.etag) for update in request.updates]
        order = Order(request.program, wire.selectors(update.card for update in request.updates), rules.update(values))
        return pb.UpdateCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def MarkCards(self, call: Call, request: pb.MarkCardsRequest) -> pb.MarkCardsResponse:
        """Take down what the ledger says."""
        rule = rules.mark([Usage(mark.usage) for mark in request.marks])
        order = Order(request.program, wire.selectors(mark.card for mark in request.marks), rule)
        return pb.MarkCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def SuspendCards(self, call: Call, request: pb.SuspendCardsRequest) -> pb.SuspendCardsResponse:
        """Suspend cards."""
        order = Order(request.program, wire.selectors(request.cards), rules.turn("suspend"), note=request.reason)
        return pb.SuspendCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def ResumeCards(self, call: Call, request: pb.ResumeCardsRequest) -> pb.ResumeCardsResponse:
        """Resume suspended cards."""
        order = Order(request.program, wire.selectors(request.cards), rules.turn("resume"), note=request.reason)
        return pb.ResumeCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def CloseCards(self, call: Call, request: pb.CloseCardsRequest) -> pb.CloseCardsResponse:
        """Close cards for good."""
        order = Order(
            request.program,
            wire.selectors(request.cards),
            rules.turn("close"),
            note=request.reason,
            validate_only=request.validate_only,
        )
        return pb.CloseCardsResponse(changes=wire.changes(await self._changes.apply(call, order)))

    async def GetRecord(self, call: Call, request: pb.GetRecordRequest) -> pb.GetRecordResponse:
        """Answer a record."""
        record = await self._records.get(call, request.program, wire.selector(request.card))
        return pb.GetRecordResponse(payload=record.payload, record_version=record.version)

    async def PutRecord(self, call: Call, request: pb.PutRecordRequest) -> pb.PutRecordResponse:
        """Store a record."""
        stored = await self._records.put(
            call, request.program, wire.selector(request.card), request.payload, request.etag
        )
        return pb.PutRecordResponse(record_version=stored.version, etag=stored.etag)

    async def ReissueCard(self, call: Call, request: pb.ReissueCardRequest) -> pb.ReissueCardResponse:
        """Give a card a new code and deliver it."""
        wanted = CardRequest(request.program, wire.selector(request.card), wire.delivery(request), request.reason)
        delivered = await self._reissue.reissue(call, wanted)
        (code,) = delivered.codes
        return pb.ReissueCardResponse(
            card_id=wire.uuid_text(code.card_id),
            serial=code.serial,
            superseded_serial=code.superseded_serial,
            generation=delivered.generation,
            code=code.code.expose().decode() if delivered.in_clear else "",
            package=delivered.package,
        )

    async def RevealCode(self, call: Call, request: pb.RevealCodeRequest) -> pb.RevealCodeResponse:
        """Deliver a card's code."""
        delivered = await self._reveal.reveal(
            call, request.program, wire.selector(request.card), wire.delivery(request), request.reason
        )
        (code,) = delivered.codes
        return pb.RevealCodeResponse(
            card_id=wire.uuid_text(code.card_id),
            serial=code.serial,
            code=code.code.expose().decode() if delivered.in_clear else "",
            package=delivered.package,
        )


def _columns(update: pb.CardUpdate, paths: set[str]) -> dict[str, Any]:
    """Return the new values of the columns that a mask names."""
    values = {"reference": update.reference, "expire_time": wire.milliseconds(update, "expire_time")}
    return {UPDATABLE[path]: values[path] for path in paths}
