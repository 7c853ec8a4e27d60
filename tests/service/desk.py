"""A security officer's desk over a workshop: the services of incidents, and short ways to use them."""

import os
from collections.abc import Iterable
from uuid import UUID, uuid4

from tests.workshop import Workshop
from vault.client.found import seal_codes
from vault.model.incident_rows import IncidentRow
from vault.model.states import IncidentScope, KeyPurpose
from vault.policy.call import Call
from vault.service.incidents.blocks import Blocks
from vault.service.incidents.contested import Contested
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.incidents import IncidentPlan, Incidents, IncidentView
from vault.service.incidents.report import Report
from vault.service.incidents.selection import Added, Selection
from vault.service.incidents.triage import Triage
from vault.service.select import Selector

OFFICER = "spiffe://test/officer"


class Desk:
    """The services of incidents over one vault."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        recorder = shop.recorder
        triage = Triage(shop.store)
        self.incidents = Incidents(recorder, triage, os.urandom)
        self.selection = Selection(recorder)
        self.freezing = Freezing(recorder, triage)
        self.contested = Contested(recorder)
        self.blocks = Blocks(recorder)
        self.report = Report(recorder, triage)

    def call(self, method: str, request_id: UUID | None = None, body: bytes = b"") -> Call:
        """Make an officer's call."""
        return self.shop.call(method, request_id=request_id or uuid4(), body=body, principal=OFFICER)

    async def open(
        self, scope: IncidentScope = IncidentScope.CARDS, *batch_ids: bytes, program: str = "netcash", **plan: bool
    ) -> IncidentRow:
        """Open an incident."""
        wanted = IncidentPlan("a leak", scope, batch_ids, **plan)
        view = await self.incidents.open(self.call("OpenIncident"), program, wanted, validate_only=False)
        return view.row

    async def add(self, incident: IncidentRow, *cards: bytes) -> Added:
        """Add cards to an incident's selection."""
        call = self.call("AddToSelection")
        selectors = [Selector(card) for card in cards]
        return await self.selection.add_cards(call, incident.program, incident.incident_id, selectors)

    async def over(self, cards: Iterable[bytes], program: str = "netcash") -> IncidentRow:
        """Open an incident over cards."""
        incident = await self.open(program=program)
        await self.add(incident, *cards)
        return incident

    async def freeze(self, incident: IncidentRow, *, stop: bool = False, dry: bool = False) -> IncidentView:
        """Freeze an incident."""
        return await self.freezing.freeze(
            self.call("FreezeIncident"),
            incident.program,
            incident.incident_id,
            stop_issuance=stop,
            validate_only=dry,
        )

    async def thaw(self, incident: IncidentRow, *, dry: bool = False) -> IncidentRow:
        """Thaw an incident."""
        call = self.call("ThawIncident")
        return await self.freezing.thaw(call, incident.program, incident.incident_id, validate_only=dry)

    async def sealing_key(self) -> bytes:
        """Return the vault's public sealing key."""
        keys = await self.shop.public_keys.all(self.shop.call())
        (public,) = (row.public_key for row in keys if row.purpose == KeyPurpose.SEALING)
        assert public is not None
        return public

    async def found(self, *codes: str) -> bytes:
        """Seal found codes to the vault."""
        return seal_codes(codes, await self.sealing_key())
