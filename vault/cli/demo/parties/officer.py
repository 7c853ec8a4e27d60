"""The security officer: runs the incident, by serials and card ids; sees no codes but found ones."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from vault.cli.demo.callers import principal
from vault.cli.demo.moments import FREEZING, FROZEN, THAWED, THAWING
from vault.cli.demo.parties.shop import unknown_code
from vault.cli.demo.plan import Plan
from vault.cli.demo.stage import CONTRACTOR, NETCASH, Stage, portions
from vault.cli.incident_report import INCIDENT_REPORT, lineage_path
from vault.cli.lineage import save_lineage
from vault.cli.public_keys import (
    ask_public_keys,
    read_public_keys,
    sealing_key,
    statement_keys,
    write_public_keys,
)
from vault.client.channel import VaultClient
from vault.client.found import seal_codes
from vault.crypto.statement import verify_statement
from vault.errors import FailedPrecondition
from vault.v1.incident_service_pb2 import (
    AddToSelectionRequest,
    AddToSelectionResponse,
    BlockPrincipalRequest,
    CloseExchangeRequest,
    CloseIncidentRequest,
    FreezeIncidentRequest,
    GetIncidentReportRequest,
    GetIncidentRequest,
    Hold,
    Incident,
    ListHoldsRequest,
    OpenExchangeRequest,
    OpenIncidentRequest,
    ReleaseHoldRequest,
    ThawIncidentRequest,
)
from vault.v1.resources_pb2 import Card, CardCount, CardList, CardSelector, ChangeOutcome, Usage
from vault.v1.validation_service_pb2 import BatchGetCardStatusRequest

FOUND = 100
MADE_UP = 3
EXCHANGE_DAYS = 30
COUNTED_SECONDS = 60.0
"""For how long the report is asked for again until every use of a superseded code is written: 0.2 s after the answer
unless the machine is busy."""

POLL_SECONDS = 0.3
ADDED = {ChangeOutcome.CHANGE_OUTCOME_DONE, ChangeOutcome.CHANGE_OUTCOME_REPEATED}


def _incident(stage: Stage) -> str:
    incident_id: str = stage.place.read_paper("incident")
    return incident_id


async def open_incident(stage: Stage) -> dict[str, Any]:
    """Open an incident over chosen cards; serials leaked too. Keep the vault's public keys for the report."""
    async with stage.client("officer") as client:
        write_public_keys(stage.place.public_keys, await ask_public_keys(client))
        request = OpenIncidentRequest(
            program=NETCASH, title="lot of May", scope=Incident.SCOPE_CARDS, serials_leaked=True
        )
        incident = (await client.call(client.incidents.OpenIncident, request)).incident
    stage.expect(holds=incident.state == Incident.STATE_OPEN, otherwise="the incident is not open")
    stage.place.write_paper("incident", incident.incident_id)
    return {"count": 1}


async def select(stage: Stage) -> dict[str, Any]:
    """Add the codes that somebody posted, sealed to the vault, then the whole lot by serial."""
    serials = stage.place.read_paper("serials")
    posted = stage.place.read_wallet("lot")[:FOUND]
    made_up = [unknown_code(stage.place) for _ in range(MADE_UP)]
    async with stage.client("officer") as client:
        key = sealing_key(await ask_public_keys(client)).public_key
        found = await _add(client, stage, found_codes=seal_codes([*posted, *made_up], key))
        right = sorted(found.serials) == sorted(serials[:FOUND]) and found.unknown_count == MADE_UP
        stage.expect(holds=right, otherwise="found codes led to other serials")
        count = found.card_count
        for done, portion in enumerate(portions(serials), 1):
            cards = CardList(cards=[CardSelector(serial=serial) for serial in portion])
            answer = await _add(client, stage, cards=cards)
            added = all(change.outcome in ADDED for change in answer.changes)
            stage.expect(holds=added, otherwise="cards were not added")
            count = answer.card_count
            stage.report(min(done * len(portion), len(serials)), len(serials))
    stage.expect(holds=count == stage.plan.cards, otherwise=f"{count} cards are selected")
    return {"count": count}


async def _add(client: VaultClient, stage: Stage, **addition: Any) -> AddToSelectionResponse:
    request = AddToSelectionRequest(program=NETCASH, incident_id=_incident(stage), **addition)
    return await client.call(client.incidents.AddToSelection, request)


async def triage(stage: Stage) -> dict[str, Any]:
    """Count the cards by state and usage: the four groups of 2006."""
    request = GetIncidentRequest(program=NETCASH, incident_id=_incident(stage), triage=True)
    async with stage.client("officer") as client:
        counts = (await client.call(client.incidents.GetIncident, request)).counts
    groups = _groups(counts)
    stage.expect(holds=groups == expected_groups(stage.plan), otherwise=f"the groups are {groups}")
    return {"count": sum(groups.values()), "groups": groups}


def _groups(counts: Any) -> dict[str, int]:
    return {_group(count): count.count for count in counts if count.count}


def _group(count: CardCount) -> str:
    state = Card.State.Name(count.state).removeprefix("STATE_")
    return f"{state} {Usage.Name(count.usage).removeprefix('USAGE_')}"


def expected_groups(plan: Plan) -> dict[str, int]:
    """Answer the lot's cards by state and usage."""
    return {
        "INACTIVE UNUSED": plan.unsold,
        "ACTIVE UNUSED": plan.unused,
        "ACTIVE EMPTY": plan.zero,
        "ACTIVE IN_USE": plan.in_use,
    }


async def block(stage: Stage) -> dict[str, Any]:
    """Cut the contractor off."""
    request = BlockPrincipalRequest(principal=principal(CONTRACTOR), note="read the lot", incident_id=_incident(stage))
    async with stage.client("officer") as client:
        blocked = (await client.call(client.incidents.BlockPrincipal, request)).blocked
    stage.expect(holds=blocked.principal == principal(CONTRACTOR), otherwise="another principal is blocked")
    return {"count": 1}


async def freeze(stage: Stage) -> dict[str, Any]:
    """Freeze the cards."""
    moments = stage.place.moments
    request = FreezeIncidentRequest(program=NETCASH, incident_id=_incident(stage))
    async with stage.client("officer") as client:
        await client.call(
            client.incidents.GetIncident, GetIncidentRequest(program=NETCASH, incident_id=_incident(stage))
        )  # connects
        begun = moments.note(FREEZING)
        answer = await client.call(client.incidents.FreezeIncident, request)
        ended = moments.note(FROZEN)
    groups = _groups(answer.counts)
    stage.expect(holds=answer.incident.state == Incident.STATE_FROZEN, otherwise="the incident is not frozen")
    stage.expect(holds=groups == expected_groups(stage.plan), otherwise=f"{groups} are frozen")
    return {"count": sum(groups.values()), "seconds": ended - begun}


async def open_exchange(stage: Stage) -> dict[str, Any]:
    """Let holders exchange by the secret of their sale; by serial is refused, since serials leaked."""
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(days=EXCHANGE_DAYS))
    async with stage.client("officer") as client:
        reason = ""
        try:
            request = OpenExchangeRequest(
                program=NETCASH, incident_id=_incident(stage), proof=Incident.PROOF_SERIAL, exchange_until=until
            )
            await client.call(client.incidents.OpenExchange, request)
        except FailedPrecondition as error:
            reason = error.reason
        stage.expect(holds=reason == "SERIALS_LEAKED", otherwise="leaked serials are taken as proof")
        request = OpenExchangeRequest(
            program=NETCASH, incident_id=_incident(stage), proof=Incident.PROOF_SALE_SECRET, exchange_until=until
        )
        await client.call(client.incidents.OpenExchange, request)
    return {"count": 1}


async def thaw(stage: Stage) -> dict[str, Any]:
    """Lift the freeze."""
    async with stage.client("officer") as client:
        stage.place.moments.note(THAWING)
        answer = await client.call(
            client.incidents.ThawIncident, ThawIncidentRequest(program=NETCASH, incident_id=_incident(stage))
        )
        stage.place.moments.note(THAWED)
    stage.expect(holds=answer.incident.state == Incident.STATE_OPEN, otherwise="the incident is not thawed")
    return {"count": stage.plan.cards}


async def release(stage: Stage) -> dict[str, Any]:
    """Find the card that was claimed twice on hold, and release it: its holder has shown the receipt."""
    card_id = stage.place.read_paper("contested")
    async with stage.client("officer") as client:
        holds = (await client.call(client.incidents.ListHolds, ListHoldsRequest(program=NETCASH))).holds
        right = [(hold.kind, hold.card_id) for hold in holds] == [(Hold.KIND_CONTESTED, card_id)]
        stage.expect(holds=right, otherwise="the holds are not the one of the contested card")
        stage.expect(holds=not await _is_usable(client, card_id), otherwise="a contested card is good")
        for hold in holds:
            request = ReleaseHoldRequest(program=NETCASH, hold_id=hold.hold_id, note="receipt seen")
            await client.call(client.incidents.ReleaseHold, request)
        stage.expect(holds=await _is_usable(client, card_id), otherwise="a released card is not good")
    return {"count": len(holds)}


async def _is_usable(client: VaultClient, card_id: str) -> bool:
    request = BatchGetCardStatusRequest(program=NETCASH, cards=[CardSelector(card_id=card_id)])
    return (await client.call(client.validation.BatchGetCardStatus, request)).statuses[0].usable


async def close(stage: Stage) -> dict[str, Any]:
    """End the exchange, and close the incident."""
    async with stage.client("officer") as client:
        await client.call(
            client.incidents.CloseExchange, CloseExchangeRequest(program=NETCASH, incident_id=_incident(stage))
        )
        request = CloseIncidentRequest(program=NETCASH, incident_id=_incident(stage), note="every code is replaced")
        incident = (await client.call(client.incidents.CloseIncident, request)).incident
    stage.expect(holds=incident.state == Incident.STATE_CLOSED, otherwise="the incident is not closed")
    return {"count": 1}


async def report(stage: Stage) -> dict[str, Any]:
    """Take the signed report, and the lineage of serials beside it."""
    place = stage.place
    keys = statement_keys(read_public_keys(place.public_keys))
    async with stage.client("officer") as client:
        jobs = (
            await client.call(
                client.incidents.GetIncident, GetIncidentRequest(program=NETCASH, incident_id=_incident(stage))
            )
        ).jobs
        lineage = await save_lineage(client, jobs, lineage_path(place.report), quiet=True)
        request = GetIncidentReportRequest(program=NETCASH, incident_id=_incident(stage))
        last = time.monotonic() + COUNTED_SECONDS
        counted = 0
        while counted < stage.plan.cards and time.monotonic() < last:
            await asyncio.sleep(POLL_SECONDS)
            statement = (await client.call(client.incidents.GetIncidentReport, request)).report
            counted = verify_statement(statement, keys, INCIDENT_REPORT)["superseded_uses"]["cards"]
        place.report.write_text(f"{statement}\n")
    return {"count": lineage.entries}
