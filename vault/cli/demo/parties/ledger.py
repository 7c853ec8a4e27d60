"""The ledger: marks the cards' use by card id, reads records, counts cards. It never sees a code."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

from vault.cli.demo.moments import SETTLE
from vault.cli.demo.parties.issuer import BALANCES_YEN
from vault.cli.demo.stage import NETCASH, Stage, portions, record
from vault.client.channel import VaultClient
from vault.v1.card_service_pb2 import (
    CardMark,
    GetRecordRequest,
    ListCardsRequest,
    MarkCardsRequest,
    PutRecordRequest,
)
from vault.v1.resources_pb2 import Card, CardSelector, ChangeOutcome, Usage

RECORDS_READ = 20
FACE_YEN = 3000


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
    async with stage.client("keeper") as client:
        async for cards in _pages(client):
            states.update(Card.State.Name(card.state).removeprefix("STATE_") for card in cards)
            usages.update(Usage.Name(card.usage).removeprefix("USAGE_") for card in cards)
            stage.report(states.total(), stage.plan.cards)
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


async def _pages(client: VaultClient) -> AsyncIterator[Sequence[Card]]:
    request = ListCardsRequest(program=NETCASH, page_size=1000)
    while True:
        answer = await client.call(client.cards.ListCards, request)
        yield answer.cards
        request.page_token = answer.next_page_token
        if not answer.next_page_token:
            return


async def open_accounts(stage: Stage) -> dict[str, Any]:
    """Open an account for each card that was sold, say which are empty or in use, and store some records."""
    plan, card_ids = stage.plan, stage.place.read_paper("sold")
    usages = [Usage.USAGE_EMPTY] * plan.zero + [Usage.USAGE_IN_USE] * plan.in_use
    used = zip(card_ids[plan.unused :], usages, strict=True)
    marks = [CardMark(card=CardSelector(card_id=card_id), usage=usage) for card_id, usage in used]
    async with stage.client("keeper") as client:

        async def work(portion: Sequence[CardMark]) -> int:
            answer = await client.call(client.cards.MarkCards, MarkCardsRequest(program=NETCASH, marks=portion))
            return sum(change.outcome == ChangeOutcome.CHANGE_OUTCOME_DONE for change in answer.changes)

        done = sum(await stage.in_flight(portions(marks), work))
        for position, card_id in enumerate(card_ids[-RECORDS_READ:]):
            card, payload = CardSelector(card_id=card_id), record(position, 0)
            request = PutRecordRequest(program=NETCASH, card=card, payload=payload)
            await client.call(client.cards.PutRecord, request)
    stage.expect(holds=done == len(marks), otherwise=f"{len(marks) - done} cards were not marked")
    return {"count": len(card_ids)}


def _balances(stage: Stage) -> list[int]:
    """Answer the balances of the sold cards in yen, in the lot's order."""
    plan = stage.plan
    spent = [BALANCES_YEN[number % len(BALANCES_YEN)] for number in range(plan.in_use)]
    return [FACE_YEN] * plan.unused + [0] * plan.zero + spent


async def keep(stage: Stage) -> dict[str, Any]:
    """Hold every balance by card id over the whole story; at its end see what each customer's card id leads to.

    The customers' card ids are those that a shop got for their new codes.
    """
    opened = _balances(stage)
    book = dict(zip(stage.place.read_paper("sold"), opened, strict=True))
    await stage.until(SETTLE)
    found = [book.get(card_id) for card_id in stage.place.read_paper("found")]
    changed = sum(now != before for now, before in zip(found, opened, strict=True))
    stage.expect(holds=changed == 0, otherwise=f"{changed} customers have another balance than before")
    async with stage.client("keeper") as client:
        lines = await _check_cards(stage, client)
        for position, card_id in enumerate(stage.place.read_paper("sold")[-RECORDS_READ:]):
            request = GetRecordRequest(program=NETCASH, card=CardSelector(card_id=card_id))
            answer = await client.call(client.cards.GetRecord, request)
            stage.expect(holds=answer.payload == record(position, 0), otherwise="a record is not what was stored")
    state = hashlib.sha256("".join(sorted(lines)).encode("ascii")).hexdigest()
    return {"count": len(book), "changed": changed, "yen": sum(opened), "state_sha256": state}


async def _check_cards(stage: Stage, client: VaultClient) -> list[str]:
    """Count the cards as they must be, and answer a line for each: what a re-issue leaves or moves by one."""
    lot, plan = stage.place.read_paper("lot"), stage.plan
    groups: Counter[tuple[bool, int, int, int]] = Counter()
    lines: list[str] = []
    async for cards in _pages(client):
        groups.update((card.batch_id == lot, card.state, card.usage, card.generation) for card in cards)
        lines += [
            f"{card.card_id},{card.batch_id},{card.state},{card.usage},{card.generation},{card.reference},"
            f"{card.record_version},{card.create_time.ToMilliseconds()},{card.activate_time.ToMilliseconds()}\n"
            for card in cards
        ]
    inactive, active = Card.STATE_INACTIVE, Card.STATE_ACTIVE
    expected = {
        (True, inactive, Usage.USAGE_UNUSED, 2): plan.unsold,
        (True, active, Usage.USAGE_UNUSED, 2): plan.unused,
        (True, active, Usage.USAGE_EMPTY, 2): plan.zero,
        (True, active, Usage.USAGE_IN_USE, 2): plan.in_use,
        (False, active, Usage.USAGE_UNUSED, 1): plan.control,
    }
    stage.expect(holds=groups == expected, otherwise=f"state, usage and generation of the cards: {dict(groups)}")
    return lines
