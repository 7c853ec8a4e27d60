"""The issuer: a batch to be printed, cards issued one by one, the package, its acknowledgement."""

import asyncio
import hashlib
import itertools
import time
from typing import Any

from vault.cli.demo.stage import NETCASH, OTHER, OTHER_CARDS, RECIPIENT, Stage, portions, record
from vault.client.export import save_package
from vault.v1.issuance_service_pb2 import (
    AcknowledgeBatchRequest,
    CreateBatchRequest,
    GetBatchRequest,
    IssueCardsRequest,
    IssueCardsResponse,
    NewCard,
)
from vault.v1.resources_pb2 import Batch

POLL_SECONDS = 0.25
BALANCES_YEN = (1000, 1500, 2000, 3000, 5000)


async def start_batch(stage: Stage) -> dict[str, Any]:
    """Ask for the batch of cards to be printed."""
    request = CreateBatchRequest(program=NETCASH, count=stage.plan.printed, recipient=RECIPIENT, reference="2006-05")
    async with stage.client("issuer") as client:
        answer = await client.call(client.issuance.CreateBatch, request)
    stage.place.write_paper("batch", answer.batch.batch_id)
    stage.place.write_paper("batch-started", time.time())
    return {"count": 1}


async def await_batch(stage: Stage) -> dict[str, Any]:
    """Wait until the batch is issued."""
    request = GetBatchRequest(program=NETCASH, batch_id=stage.place.read_paper("batch"))
    async with stage.client("issuer") as client:
        while True:
            batch = (await client.call(client.issuance.GetBatch, request)).batch
            stage.report(batch.issued_count, batch.count)
            if batch.state != Batch.STATE_ISSUING:
                break
            await asyncio.sleep(POLL_SECONDS)
    stage.expect(holds=batch.state == Batch.STATE_READY, otherwise="the batch is not ready")
    stage.expect(holds=batch.issued_count == stage.plan.printed, otherwise="the batch has another number of cards")
    # From its beginning, beside everything else that went on.
    return {"count": batch.issued_count, "seconds": time.time() - stage.place.read_paper("batch-started")}


async def issue(stage: Stage) -> dict[str, Any]:
    """Issue the cards at zero and in use one by one, not yet sold, each with a record."""
    plan = stage.plan
    balances = [0] * plan.zero + [BALANCES_YEN[number % len(BALANCES_YEN)] for number in range(plan.in_use)]
    cards = [NewCard(payload=record(position, balance)) for position, balance in enumerate(balances)]
    async with stage.client("issuer") as one, stage.client("issuer") as two:
        turn = itertools.cycle((one, two))

        async def work(portion: list[NewCard]) -> IssueCardsResponse:
            client = next(turn)
            request = IssueCardsRequest(program=NETCASH, cards=portion, clear=True)
            return await client.call(client.issuance.IssueCards, request)

        answers = await stage.in_flight([list(portion) for portion in portions(cards)], work)
        request = IssueCardsRequest(program=OTHER, cards=[NewCard()] * OTHER_CARDS, activate=True, clear=True)
        others = await one.call(one.issuance.IssueCards, request)
    issued = [card for answer in answers for card in answer.cards]
    stage.expect(holds=len(issued) == plan.issued, otherwise="another number of cards was issued than asked for")
    stage.place.fill_wallet("issued", [card.code for card in issued])
    stage.place.fill_wallet("other", [card.code for card in others.cards])
    stage.place.write_paper("issued", [card.card_id for card in issued])
    return {"count": len(issued)}


async def export(stage: Stage) -> dict[str, Any]:
    """Save the package, sealed to the fulfilment house."""
    async with stage.client("issuer") as client:
        batch_id = stage.place.read_paper("batch")
        manifest = await save_package(client, NETCASH, batch_id, stage.place.package, stage.report)
    stage.expect(holds=manifest.entries == stage.plan.printed, otherwise="the manifest counts other codes")
    return {"count": manifest.entries}


async def acknowledge(stage: Stage) -> dict[str, Any]:
    """Confirm that the house holds the package, by the digest that the house found."""
    request = AcknowledgeBatchRequest(
        program=NETCASH,
        batch_id=stage.place.read_paper("batch"),
        sha256=bytes.fromhex(stage.place.read_paper("received")),
    )
    async with stage.client("issuer") as client:
        answer = await client.call(client.issuance.AcknowledgeBatch, request)
    digest = hashlib.sha256(stage.place.package.read_bytes()).digest()
    stage.expect(holds=digest == answer.batch.manifest.sha256, otherwise="the manifest names another package")
    stage.expect(holds=answer.batch.state == Batch.STATE_ACKNOWLEDGED, otherwise="the batch is not acknowledged")
    return {"count": 1}
