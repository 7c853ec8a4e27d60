"""AuditService, spoken."""

from vault.policy.call import Call
from vault.rpc import wire
from vault.rpc.paging import Listing
from vault.service.events import FOREVER_MS, EventFilter, Events
from vault.stores.records import AuditPlace
from vault.v1 import audit_service_pb2 as pb


class AuditServicer:
    """Answers AuditService."""

    def __init__(self, events: Events, listing: Listing) -> None:
        self._events = events
        self._listing = listing

    async def ListAuditEvents(self, call: Call, request: pb.ListAuditEventsRequest) -> pb.ListAuditEventsResponse:
        """List audit events."""
        start = wire.milliseconds(request, "start_time") or 0
        end = wire.milliseconds(request, "end_time")
        wanted = EventFilter(request.program or None, start, FOREVER_MS if end is None else end)
        page = await self._listing.open(call, request, wanted)
        after = None
        if page.cursor:
            after = AuditPlace(
                int.from_bytes(page.cursor[:8], "big"), page.cursor[8:24], int.from_bytes(page.cursor[24:], "big")
            )
        views = await self._events.page(call, wanted, after, page.limit)

        def cursor() -> bytes:
            place = views[-1].place
            return place.recorded_ms.to_bytes(8, "big") + place.writer_id + place.counter.to_bytes(8, "big")

        return pb.ListAuditEventsResponse(
            events=[pb.RecordedEvent(event_bytes=view.data, event=view.event, chain=view.chain) for view in views],
            next_page_token=page.following(len(views), cursor),
        )
