"""IncidentService, spoken."""

from vault.model.states import IncidentScope, Proof
from vault.policy.call import Call
from vault.rpc import incident_wire, rotation_wire, wire
from vault.rpc.paging import Listing
from vault.service.incidents.blocks import Blocks
from vault.service.incidents.contested import Contested
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.incidents import ExchangeWindow, IncidentPlan, Incidents
from vault.service.incidents.report import Report
from vault.service.incidents.selection import Selection
from vault.v1 import incident_service_pb2 as pb


class IncidentServicer:
    """Answers IncidentService."""

    def __init__(  # noqa: PLR0913, PLR0917  one for each thing that an officer does
        self,
        incidents: Incidents,
        selection: Selection,
        freezing: Freezing,
        blocks: Blocks,
        contested: Contested,
        report: Report,
        listing: Listing,
    ) -> None:
        self._incidents = incidents
        self._selection = selection
        self._freezing = freezing
        self._blocks = blocks
        self._contested = contested
        self._report = report
        self._listing = listing

    async def OpenIncident(self, call: Call, request: pb.OpenIncidentRequest) -> pb.OpenIncidentResponse:
        """Open an incident."""
        plan = IncidentPlan(
            request.title,
            IncidentScope(request.scope),
            [wire.uuid_bytes(batch_id) for batch_id in request.batch_ids],
            request.serials_leaked,
        )
        view = await self._incidents.open(call, request.program, plan, validate_only=request.validate_only)
        return pb.OpenIncidentResponse(
            incident=incident_wire.incident(view.row), counts=incident_wire.counts(view.counts.items())
        )

    async def AddToSelection(self, call: Call, request: pb.AddToSelectionRequest) -> pb.AddToSelectionResponse:
        """Add cards, or found codes, to an incident's selection."""
        incident_id = wire.uuid_bytes(request.incident_id)
        if request.HasField("cards"):
            cards = wire.selectors(request.cards.cards)
            added = await self._selection.add_cards(call, request.program, incident_id, cards)
        else:
            added = await self._selection.add_found(call, request.program, incident_id, request.found_codes)
        return pb.AddToSelectionResponse(
            changes=wire.changes(added.changes),
            serials=added.serials,
            unknown_count=added.unknown_count,
            card_count=added.card_count,
        )

    async def GetIncident(self, call: Call, request: pb.GetIncidentRequest) -> pb.GetIncidentResponse:
        """Answer an incident."""
        incident_id = wire.uuid_bytes(request.incident_id)
        view = await self._incidents.get(call, request.program, incident_id, triage=request.triage)
        return pb.GetIncidentResponse(
            incident=incident_wire.incident(view.row),
            counts=incident_wire.counts(view.counts.items()),
            jobs=[rotation_wire.job(job) for job in view.jobs],
        )

    async def ListIncidents(self, call: Call, request: pb.ListIncidentsRequest) -> pb.ListIncidentsResponse:
        """List incidents."""
        page = await self._listing.open(call, request, (request.program,))
        rows = await self._incidents.page(call, request.program, page.newest(), page.limit)
        following = page.following_newest(rows, lambda row: (row.created_ms, row.incident_id))
        return pb.ListIncidentsResponse(
            incidents=[incident_wire.incident(row) for row in rows], next_page_token=following
        )

    async def FreezeIncident(self, call: Call, request: pb.FreezeIncidentRequest) -> pb.FreezeIncidentResponse:
        """Freeze an incident's cards."""
        view = await self._freezing.freeze(
            call,
            request.program,
            wire.uuid_bytes(request.incident_id),
            stop_issuance=request.stop_issuance,
            validate_only=request.validate_only,
        )
        return pb.FreezeIncidentResponse(
            incident=incident_wire.incident(view.row), counts=incident_wire.counts(view.counts.items())
        )

    async def ThawIncident(self, call: Call, request: pb.ThawIncidentRequest) -> pb.ThawIncidentResponse:
        """Lift an incident's freeze."""
        incident_id = wire.uuid_bytes(request.incident_id)
        row = await self._freezing.thaw(call, request.program, incident_id, validate_only=request.validate_only)
        return pb.ThawIncidentResponse(incident=incident_wire.incident(row))

    async def OpenExchange(self, call: Call, request: pb.OpenExchangeRequest) -> pb.OpenExchangeResponse:
        """Open an incident's exchange."""
        window = ExchangeWindow(
            Proof(request.proof),
            wire.milliseconds(request, "exchange_from"),
            wire.milliseconds(request, "exchange_until") or 0,
        )
        row = await self._incidents.open_exchange(call, request.program, wire.uuid_bytes(request.incident_id), window)
        return pb.OpenExchangeResponse(incident=incident_wire.incident(row))

    async def CloseExchange(self, call: Call, request: pb.CloseExchangeRequest) -> pb.CloseExchangeResponse:
        """End an incident's exchange."""
        row = await self._incidents.close_exchange(call, request.program, wire.uuid_bytes(request.incident_id))
        return pb.CloseExchangeResponse(incident=incident_wire.incident(row))

    async def CloseIncident(self, call: Call, request: pb.CloseIncidentRequest) -> pb.CloseIncidentResponse:
        """Close an incident for good."""
        incident_id = wire.uuid_bytes(request.incident_id)
        row = await self._incidents.close(call, request.program, incident_id, request.note)
        return pb.CloseIncidentResponse(incident=incident_wire.incident(row))

    async def GetIncidentReport(self, call: Call, request: pb.GetIncidentReportRequest) -> pb.GetIncidentReportResponse:
        """Answer an incident's report, signed."""
        report = await self._report.make(call, request.program, wire.uuid_bytes(request.incident_id))
        return pb.GetIncidentReportResponse(report=report)

    async def BlockPrincipal(self, call: Call, request: pb.BlockPrincipalRequest) -> pb.BlockPrincipalResponse:
        """Cut a principal off."""
        incident_id = wire.uuid_bytes(request.incident_id) or None
        row = await self._blocks.block(call, request.program, request.principal, incident_id, request.note)
        return pb.BlockPrincipalResponse(blocked=incident_wire.blocked(row))

    async def UnblockPrincipal(self, call: Call, request: pb.UnblockPrincipalRequest) -> pb.UnblockPrincipalResponse:
        """Let a principal in again."""
        await self._blocks.unblock(call, request.program, request.principal)
        return pb.UnblockPrincipalResponse()

    async def ListBlockedPrincipals(
        self, call: Call, request: pb.ListBlockedPrincipalsRequest
    ) -> pb.ListBlockedPrincipalsResponse:
        """List blocked principals."""
        rows = await self._blocks.all(call, request.program)
        return pb.ListBlockedPrincipalsResponse(blocked=[incident_wire.blocked(row) for row in rows])

    async def ListHolds(self, call: Call, request: pb.ListHoldsRequest) -> pb.ListHoldsResponse:
        """List holds."""
        page = await self._listing.open(call, request, (request.program,))
        rows = await self._contested.page(call, request.program, page.cursor, page.limit)
        following = page.following(len(rows), lambda: rows[-1].hold_id)
        return pb.ListHoldsResponse(holds=[incident_wire.hold(row) for row in rows], next_page_token=following)

    async def ReleaseHold(self, call: Call, request: pb.ReleaseHoldRequest) -> pb.ReleaseHoldResponse:
        """Lift the hold over a contested card."""
        await self._contested.release(call, request.program, wire.uuid_bytes(request.hold_id), request.note)
        return pb.ReleaseHoldResponse()
