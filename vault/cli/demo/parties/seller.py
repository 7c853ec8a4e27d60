"""The seller: activates what is sold, by serial or by card id, and never sees a code."""

from collections.abc import Sequence
from typing import Any

from vault.cli.demo.stage import NETCASH, Stage, portions
from vault.v1.activation_service_pb2 import ActivateCardsRequest
from vault.v1.resources_pb2 import CardSelector, ChangeOutcome


async def sell(stage: Stage) -> dict[str, Any]:
    """Activate the printed cards that are sold, and all that were issued one by one."""
    printed = stage.place.read_paper("printed")[: stage.plan.unused]
    cards = [CardSelector(serial=serial) for serial in printed]
    cards += [CardSelector(card_id=card_id) for card_id in stage.place.read_paper("issued")]
    async with stage.client("seller") as client:

        async def work(portion: Sequence[CardSelector]) -> int:
            request = ActivateCardsRequest(program=NETCASH, cards=portion)
            answer = await client.call(client.activation.ActivateCards, request)
            return sum(change.outcome == ChangeOutcome.CHANGE_OUTCOME_DONE for change in answer.changes)

        done = sum(await stage.in_flight(portions(cards), work))
    stage.expect(holds=done == stage.plan.sold, otherwise=f"{stage.plan.sold - done} cards were not activated")
    return {"count": done}
