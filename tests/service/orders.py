"""Short ways to order re-issues, and to compare cards before and after."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from tests.workshop import Workshop
from vault.model.states import IncidentScope, JobKind
from vault.service.incidents.incidents import IncidentPlan, Incidents
from vault.service.incidents.selection import Selection
from vault.service.incidents.triage import Triage
from vault.service.rotation.joborder import ReissueOrder, RotationOrder
from vault.service.rotation.jobview import JobView
from vault.service.rotation.rotation import Created
from vault.service.select import Selector

MOVED = ("generation", "revision", "tag")
"""The columns of a card that a re-issue changes."""


async def create(shop: Workshop, order: ReissueOrder | None = None, **settings: Any) -> Created:
    """Create a re-issue."""
    wanted = RotationOrder(JobKind.REISSUE, **{"program": "netcash", "reissue": order or ReissueOrder(), **settings})
    return await shop.rotation.create(shop.call("Create", request_id=uuid4()), wanted, validate_only=False)


async def count(shop: Workshop, order: ReissueOrder | None = None) -> Created:
    """Only count what a re-issue would go through."""
    wanted = RotationOrder(JobKind.REISSUE, "netcash", order or ReissueOrder())
    return await shop.rotation.create(shop.call("Create", request_id=uuid4()), wanted, validate_only=True)


async def reissued(shop: Workshop, order: ReissueOrder | None = None, **settings: Any) -> JobView:
    """Have a re-issue done, and return it."""
    created = await create(shop, order, **settings)
    await shop.work_all()
    return await shop.rotation.get(shop.call(), "netcash", created.job.row.job_id)


def cards_by_id(shop: Workshop) -> dict[bytes, dict[str, Any]]:
    """Return every card's row, by id."""
    return {row["card_id"]: row for row in shop.database.rows("card")}


def kept(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a re-issue must not move of a card."""
    return {name: value for name, value in card.items() if name not in (*MOVED, "rowid")}


async def open_incident(
    shop: Workshop, scope: IncidentScope, *, batch_ids: Sequence[bytes] = (), chosen: Sequence[bytes] = ()
) -> bytes:
    """Open an incident and choose its cards."""
    incidents = Incidents(shop.recorder, Triage(shop.store), shop.parts.random)
    plan = IncidentPlan("leak", scope, batch_ids)
    call = shop.call("Open", request_id=uuid4())
    incident_id = (await incidents.open(call, "netcash", plan, validate_only=False)).row.incident_id
    if chosen:
        call = shop.call("AddToSelection", request_id=uuid4())
        await Selection(shop.recorder).add_cards(call, "netcash", incident_id, [Selector(card) for card in chosen])
    return incident_id
