"""The ledger: marks the cards' use by card id, reads records, counts cards. It never sees a code."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vault.cli.demo.stage import NETCASH, Stage, portions, record
from vault.v1.card_service_pb2 import CardMark, GetRecordRequest, ListCardsRequest, MarkCardsRequest
from vault.v1.resources_pb2 import Card, CardSelector, ChangeOutcome, Usage

RECORDS_READ = 20


async def mark(stage: Stage) -> dict[str, Any]:
    """Take down which cards are at zero and which are in use, and read some of the records back."""
    card_ids = stage.place.read_paper("issued")
    usages = [Usage.USAGE_EMPTY] * stage.plan.zero + [Usage.USAGE_IN_USE] * stage.plan.in_use
    marks = [
        CardMark(card=CardSelector(card_id=card_id), usage=usage)
        for card_id, usage in zip(card_ids, usages, strict=True)
    ]
    async with stage.client("keeper") as client:

        async def work(portion: Sequence[CardMark]) -> int:
            request = MarkCardsRequest(program=NETCASH, marks=portion)
            answer = await client.call(client.cards.MarkCards, request)
            return sum(change.outcome == ChangeOutcome.CHANGE_OUTCOME_DONE for change in answer.changes)

        done = sum(await stage.in_flight(portions(marks), work))
        for position, card_id in list(enumerate(card_ids))[: stage.plan.zero][:RECORDS_READ]:
            request = GetRecordRequest(program=NETCASH, card=CardSelector(card_id=card_id))
            answer = await client.call(client.cards.GetRecord, request)
            stage.expect(holds=answer.payload == record(position, 0), otherwise="a record is not what was stored")
    stage.expect(holds=done == len(marks), otherwise=f"{len(marks) - done} cards were not marked")
    return {"count": done}


async def count(stage: Stage) -> dict[str, Any]:
    """Count the cards by state and by usage."""
    states: Counter[str] = Counter()
    usages: Counter[str] = Counter()
    request = ListCardsRequest(program=NETCASH, page_size=1000)
    async with stage.client("keeper") as client:
        while True:
            answer = await client.call(client.cards.ListCards, request)
            states.update(Card.State.Name(card.state).removeprefix("STATE_") for card in answer.cards)
            usages.update(Usage.Name(card.usage).removeprefix("USAGE_") for card in answer.cards)
            stage.report(states.total(), stage.plan.cards)
            request.page_token = answer.next_page_token
            if not answer.next_page_token:
                break
    plan = stage.plan
    stage.expect(
        holds=states == {"INACTIVE": plan.unsold, "ACTIVE": plan.sold},
        otherwise=f"the states are {dict(states)}",
    )
    stage.expect(
        holds=usages == {"UNUSED": plan.printed, "EMPTY": plan.zero, "IN_USE": plan.in_use},
        otherwise=f"the usages are {dict(usages)}",
    )
    return {"count": states.total(), "by_state": dict(states), "by_usage": dict(usages)}
