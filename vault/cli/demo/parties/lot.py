"""The issuer in the incident's story: orders the lot that will leak, and issues cards that will not."""

import asyncio
import time
from typing import Any

from vault.cli.demo.stage import CONTRACTOR, NETCASH, Stage, portions
from vault.v1.issuance_service_pb2 import (
    CreateBatchRequest,
    GetBatchRequest,
    IssueCardsRequest,
    IssueCardsResponse,
    NewCard,
)
from vault.v1.resources_pb2 import Batch

POLL_SECONDS = 0.1
REFERENCE = "2006-05"


async def order(stage: Stage) -> dict[str, Any]:
    """Order the lot, its package for the contractor."""
    request = CreateBatchRequest(program=NETCASH, count=stage.plan.cards, recipient=CONTRACTOR, reference=REFERENCE)
    async with stage.client("issuer") as client:
        answer = await client.call(client.issuance.CreateBatch, request)
    stage.place.write_paper("lot", answer.batch.batch_id)
    stage.place.write_paper("lot-ordered", time.monotonic())
    return {"count": 1}


async def issue_control(stage: Stage) -> dict[str, Any]:
    """Issue cards of the same program that are sold already and never leak."""
    cards = [NewCard() for _ in range(stage.plan.control)]
    async with stage.client("issuer") as client:

        async def work(portion: list[NewCard]) -> IssueCardsResponse:
            request = IssueCardsRequest(program=NETCASH, cards=portion, activate=True, clear=True)
            return await client.call(client.issuance.IssueCards, request)

        answers = await stage.in_flight([list(portion) for portion in portions(cards)], work)
    issued = [card for answer in answers for card in answer.cards]
    stage.expect(holds=len(issued) == len(cards), otherwise="another number of cards was issued than asked for")
    stage.place.fill_wallet("control", [card.code for card in issued])
    stage.place.write_paper("control", [card.card_id for card in issued])
    return {"count": len(issued)}


async def await_lot(stage: Stage) -> dict[str, Any]:
    """Wait until the lot is issued."""
    request = GetBatchRequest(program=NETCASH, batch_id=stage.place.read_paper("lot"))
    async with stage.client("issuer") as client:
        while True:
            batch = (await client.call(client.issuance.GetBatch, request)).batch
            stage.report(batch.issued_count, batch.count)
            if batch.state != Batch.STATE_ISSUING:
                break
            await asyncio.sleep(POLL_SECONDS)
    stage.expect(holds=batch.state == Batch.STATE_READY, otherwise="the lot is not ready")
    stage.expect(holds=batch.issued_count == stage.plan.cards, otherwise="the lot has another number of cards")
    return {"count": batch.issued_count, "seconds": time.monotonic() - stage.place.read_paper("lot-ordered")}
