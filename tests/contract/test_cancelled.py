"""Callers who hang up, or are late, leave nothing half done: all cards of a request are issued, or none."""

import asyncio
import contextlib
from uuid import uuid4

import grpc.aio

from tests.contract.house import House
from tests.system.issued import create_program
from vault.v1.issuance_service_pb2 import IssueCardsRequest, NewCard

PROGRAM = "hung-up"
CARDS = 3
STEP_SECONDS = 0.0004


def requests(count: int) -> list[IssueCardsRequest]:
    return [
        IssueCardsRequest(program=PROGRAM, request_id=str(uuid4()), cards=[NewCard()] * CARDS, clear=True)
        for _ in range(count)
    ]


async def test_cards_of_cancelled_calls_are_issued_whole_and_once_or_not_at_all(furnished: House) -> None:
    await create_program(furnished.vault, PROGRAM)
    cancelled, late = requests(30), requests(30)
    async with furnished.vault.client("issuer") as client:
        for index, request in enumerate(cancelled):
            call = client.issuance.IssueCards(request, timeout=20)
            await asyncio.sleep(index * STEP_SECONDS)
            call.cancel()
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                await call
        for index, request in enumerate(late):
            with contextlib.suppress(grpc.aio.AioRpcError):
                await client.issuance.IssueCards(request, timeout=0.01 + index * STEP_SECONDS)
        issued_by_then = len(furnished.database.rows("card", program=PROGRAM))
        assert issued_by_then % CARDS == 0
        answers = [await client.call(client.issuance.IssueCards, request) for request in cancelled + late]
    rows = furnished.database.rows("card", program=PROGRAM)
    assert len({card.card_id for answer in answers for card in answer.cards}) == len(rows) == 60 * CARDS
    assert len(furnished.database.rows("code", program=PROGRAM)) == 60 * CARDS
    assert not furnished.codes_in_log()
