"""The seller: activates what is sold, by serial or by card id, and never sees a code."""

import itertools
import secrets
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


async def sell_lot(stage: Stage) -> dict[str, Any]:
    """Activate the part of the lot that is sold, with a secret of each sale that its receipt shows."""
    sold = stage.place.read_paper("serials")[: stage.plan.sold]
    receipts = [f"{secrets.randbelow(10**16):016}" for _ in sold]
    sales = list(zip(sold, receipts, strict=True))
    async with stage.client("seller") as client:

        async def work(portion: Sequence[tuple[str, str]]) -> list[str]:
            cards = [CardSelector(serial=serial) for serial, _ in portion]
            kept = [receipt.encode("ascii") for _, receipt in portion]
            request = ActivateCardsRequest(program=NETCASH, cards=cards, sale_secrets=kept)
            changes = (await client.call(client.activation.ActivateCards, request)).changes
            done = all(change.outcome == ChangeOutcome.CHANGE_OUTCOME_DONE for change in changes)
            stage.expect(holds=done, otherwise="cards were not activated")
            return [change.card_id for change in changes]

        card_ids = list(itertools.chain.from_iterable(await stage.in_flight(portions(sales), work)))
    stage.place.fill_wallet("receipts", receipts)
    stage.place.write_paper("sold", card_ids)
    return {"count": len(card_ids)}
