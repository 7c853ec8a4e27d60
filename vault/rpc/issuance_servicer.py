"""IssuanceService, spoken."""

from collections.abc import AsyncGenerator

from vault.model.states import CardState
from vault.policy.call import Call
from vault.rpc import wire
from vault.rpc.paging import Listing
from vault.service.issuing.batches import Batches, BatchPlan
from vault.service.issuing.export import Export
from vault.service.issuing.issuance import Issuance
from vault.service.issuing.issue import CardPlan
from vault.service.issuing.packing import Manifest
from vault.v1 import issuance_service_pb2 as pb
from vault.v1 import resources_pb2 as res

CHUNK_BYTES = 1 << 20
"""Bytes of a package in one message at most."""


class IssuanceServicer:
    """Answers IssuanceService."""

    def __init__(self, issuance: Issuance, batches: Batches, export: Export, listing: Listing) -> None:
        self._issuance = issuance
        self._batches = batches
        self._export = export
        self._listing = listing

    async def IssueCards(self, call: Call, request: pb.IssueCardsRequest) -> pb.IssueCardsResponse:
        """Issue cards at once."""
        state = CardState.ACTIVE if request.activate else CardState.INACTIVE
        plans = [
            CardPlan(
                reference=card.reference,
                payload=card.payload or None,
                expires_ms=wire.milliseconds(card, "expire_time"),
                state=state,
            )
            for card in request.cards
        ]
        delivered = await self._issuance.issue(call, request.program, plans, wire.delivery(request))
        return pb.IssueCardsResponse(
            cards=[
                pb.IssuedCard(
                    card_id=wire.uuid_text(code.card_id),
                    serial=code.serial,
                    code=code.code.expose().decode() if delivered.in_clear else "",
                )
                for code in delivered.codes
            ],
            package=delivered.package,
        )

    async def CreateBatch(self, call: Call, request: pb.CreateBatchRequest) -> pb.CreateBatchResponse:
        """Start issuing a batch."""
        plan = BatchPlan(request.count, request.recipient, request.reference, wire.milliseconds(request, "expire_time"))
        view = await self._batches.create(call, request.program, plan, validate_only=request.validate_only)
        return pb.CreateBatchResponse(batch=wire.batch(view))

    async def GetBatch(self, call: Call, request: pb.GetBatchRequest) -> pb.GetBatchResponse:
        """Answer a batch."""
        view = await self._batches.get(call, request.program, wire.uuid_bytes(request.batch_id))
        return pb.GetBatchResponse(batch=wire.batch(view))

    async def ListBatches(self, call: Call, request: pb.ListBatchesRequest) -> pb.ListBatchesResponse:
        """List batches."""
        page = await self._listing.open(call, request, (request.program,))
        views = await self._batches.page(call, request.program, page.newest(), page.limit)
        following = page.following_newest(views, lambda view: (view.row.created_ms, view.row.batch_id))
        return pb.ListBatchesResponse(batches=[wire.batch(view) for view in views], next_page_token=following)

    async def CancelBatch(self, call: Call, request: pb.CancelBatchRequest) -> pb.CancelBatchResponse:
        """Cancel a batch."""
        ended = await self._batches.cancel(
            call,
            request.program,
            wire.uuid_bytes(request.batch_id),
            request.etag,
            validate_only=request.validate_only,
        )
        return pb.CancelBatchResponse(batch=wire.batch(ended.view), cards_to_close=ended.to_close)

    async def WithdrawBatch(self, call: Call, request: pb.WithdrawBatchRequest) -> pb.WithdrawBatchResponse:
        """Withdraw a batch."""
        ended = await self._batches.withdraw(
            call,
            request.program,
            wire.uuid_bytes(request.batch_id),
            request.etag,
            validate_only=request.validate_only,
        )
        return pb.WithdrawBatchResponse(batch=wire.batch(ended.view), cards_to_close=ended.to_close)

    async def ExportBatch(
        self, call: Call, request: pb.ExportBatchRequest
    ) -> AsyncGenerator[pb.ExportBatchResponse, None]:
        """Stream a package."""
        parts = self._export.stream(call, request.program, wire.uuid_bytes(request.batch_id), request.offset)
        async for part in parts:
            if isinstance(part, Manifest):
                manifest = res.Manifest(entries=part.entries, size_bytes=part.size, sha256=part.sha256)
                yield pb.ExportBatchResponse(manifest=manifest)
            elif isinstance(part, int):
                yield pb.ExportBatchResponse(size_bytes=part)
            else:
                for start in range(0, len(part), CHUNK_BYTES):
                    yield pb.ExportBatchResponse(chunk=part[start : start + CHUNK_BYTES])

    async def AcknowledgeBatch(self, call: Call, request: pb.AcknowledgeBatchRequest) -> pb.AcknowledgeBatchResponse:
        """Take down that a package has arrived."""
        view = await self._batches.acknowledge(
            call, request.program, wire.uuid_bytes(request.batch_id), request.sha256, request.etag
        )
        return pb.AcknowledgeBatchResponse(batch=wire.batch(view))
