"""The sample's incident: cards whose codes were superseded, and that their holders exchange by printed serial."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from vault.cli.edge.callers import PROGRAM
from vault.client.channel import VaultClient
from vault.errors import FailedPrecondition
from vault.v1.incident_service_pb2 import (
    AddToSelectionRequest,
    Incident,
    OpenExchangeRequest,
    OpenIncidentRequest,
)
from vault.v1.resources_pb2 import CardList, CardSelector, RotationJob
from vault.v1.rotation_service_pb2 import CreateRotationJobRequest, Reissue

EXCHANGE_DAYS = 30


async def supersede(officer: VaultClient, card_ids: Sequence[str]) -> None:
    """Have cards' codes re-issued by an incident, and open its exchange by serial.

    Args:
        officer: A connection as an officer.
        card_ids: 1 to 1,000 sold cards.

    Raises:
        FailedPrecondition: The re-issue did not reach every card.
    """
    opening = OpenIncidentRequest(program=PROGRAM, title="numbers of the sample", scope=Incident.SCOPE_CARDS)
    incident_id = (await officer.call(officer.incidents.OpenIncident, opening)).incident.incident_id
    cards = CardList(cards=[CardSelector(card_id=card_id) for card_id in card_ids])
    selection = AddToSelectionRequest(program=PROGRAM, incident_id=incident_id, cards=cards)
    await officer.call(officer.incidents.AddToSelection, selection)
    await _reissue(officer, incident_id, len(card_ids))
    until = Timestamp()
    until.FromDatetime(datetime.now(UTC) + timedelta(days=EXCHANGE_DAYS))
    exchange = OpenExchangeRequest(
        program=PROGRAM, incident_id=incident_id, proof=Incident.PROOF_SERIAL, exchange_until=until
    )
    await officer.call(officer.incidents.OpenExchange, exchange)


async def _reissue(officer: VaultClient, incident_id: str, count: int) -> None:
    """Give an incident's cards new codes, which are had by exchange alone: no package is made of them."""
    request = CreateRotationJobRequest(program=PROGRAM, reissue=Reissue(incident_id=incident_id))
    job = (await officer.call(officer.rotation.CreateRotationJob, request)).job
    async for now in officer.watch_job(PROGRAM, job.job_id):
        job = now
    if job.state != RotationJob.STATE_DONE or job.done_count != count:
        message = f"the sample's re-issue reached {job.done_count} of {count} cards"
        raise FailedPrecondition(message)
