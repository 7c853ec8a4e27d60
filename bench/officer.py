"""What the bench asks as the security officer: incidents, freezes, rotation jobs."""

import time
from typing import NamedTuple

from bench.cards import AT_ONCE, PROGRAM
from bench.rig import Rig
from vault.client.channel import VaultClient
from vault.v1.card_service_pb2 import ListCardsRequest
from vault.v1.incident_service_pb2 import (
    AddToSelectionRequest,
    FreezeIncidentRequest,
    Incident,
    OpenIncidentRequest,
    ThawIncidentRequest,
)
from vault.v1.issuance_service_pb2 import ListBatchesRequest
from vault.v1.resources_pb2 import CardList, CardSelector, RotationJob
from vault.v1.rotation_service_pb2 import CreateRotationJobRequest


class Done(NamedTuple):
    """A job that is done.

    Fields:
        job_id: The job, a UUID.
        began: When it was asked for, by the monotonic clock.
        seconds: From then to its end.
        counted: Cards that got new codes, or rows that were rewritten.
    """

    job_id: str
    began: float
    seconds: float
    counted: int

    @property
    def rate(self) -> float:
        """Cards or rows a second."""
        return self.counted / self.seconds


async def newest_cards(rig: Rig) -> list[str]:
    """Return the ids of the cards of the newest batch."""
    async with rig.client("issuer") as client:
        newest = ListBatchesRequest(program=PROGRAM, page_size=1)
        (batch,) = (await client.call(client.issuance.ListBatches, newest)).batches
    card_ids: list[str] = []
    request = ListCardsRequest(program=PROGRAM, batch_id=batch.batch_id, page_size=AT_ONCE)
    async with rig.client("keeper") as client:
        while True:
            page = await client.call(client.cards.ListCards, request)
            card_ids += [card.card_id for card in page.cards]
            if not page.next_page_token:
                return card_ids
            request.page_token = page.next_page_token


async def open_incident(client: VaultClient, card_ids: list[str]) -> str:
    """Open an incident over chosen cards, and return its id.

    Raises:
        RuntimeError: Not all of them were chosen.
    """
    request = OpenIncidentRequest(program=PROGRAM, title="bench", scope=Incident.SCOPE_CARDS)
    incident_id = (await client.call(client.incidents.OpenIncident, request)).incident.incident_id
    count = 0
    for at in range(0, len(card_ids), AT_ONCE):
        cards = CardList(cards=[CardSelector(card_id=card_id) for card_id in card_ids[at : at + AT_ONCE]])
        add = AddToSelectionRequest(program=PROGRAM, incident_id=incident_id, cards=cards)
        count = (await client.call(client.incidents.AddToSelection, add)).card_count
    if count != len(card_ids):
        message = f"{count} of {len(card_ids)} cards were chosen"
        raise RuntimeError(message)
    return incident_id


async def freeze(client: VaultClient, incident_id: str) -> float:
    """Freeze an incident's cards, and return the seconds that the call took."""
    began = time.monotonic()
    request = FreezeIncidentRequest(program=PROGRAM, incident_id=incident_id)
    await client.call(client.incidents.FreezeIncident, request)
    return time.monotonic() - began


async def thaw(client: VaultClient, incident_id: str) -> None:
    """Lift a freeze."""
    await client.call(client.incidents.ThawIncident, ThawIncidentRequest(program=PROGRAM, incident_id=incident_id))


async def run_job(client: VaultClient, request: CreateRotationJobRequest) -> Done:
    """Have a job done, and return how long it took, by the vault's own clock.

    Raises:
        RuntimeError: It failed, or passed over something.
    """
    began = time.monotonic()
    job = (await client.call(client.rotation.CreateRotationJob, request)).job
    async for now in client.watch_job(PROGRAM, job.job_id):
        job = now
    if job.state != RotationJob.STATE_DONE or job.error_count or not job.done_count:
        message = f"a job ended as {RotationJob.State.Name(job.state)}, {job.done_count} done, {job.last_error}"
        raise RuntimeError(message)
    seconds = (job.finish_time.ToNanoseconds() - job.create_time.ToNanoseconds()) / 1e9
    return Done(job.job_id, began, seconds, job.done_count)
