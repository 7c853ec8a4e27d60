"""Codes that are not good, for every reason that a caller must not be able to tell from another."""

import asyncio
import os
import time
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from bench.cards import AT_ONCE, PROGRAM
from bench.officer import freeze, open_incident
from bench.rig import Rig
from vault.client.channel import VaultClient
from vault.codes.format import CodeFormat
from vault.codes.generate import generate
from vault.model.states import CheckAlgorithm
from vault.v1.administration_service_pb2 import CreateProgramRequest
from vault.v1.card_service_pb2 import CloseCardsRequest, ReissueCardRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, IssuedCard, NewCard
from vault.v1.resources_pb2 import CardSelector, PresentedCode, ProgramSettings, Verdict
from vault.v1.validation_service_pb2 import RedeemCodeRequest

REFERENCE: Final = "unknown"
LIFE_SECONDS = 8.0
"""How long the cards live that are to expire."""

BESIDE = 10_000
"""Good cards in the same table, so that it is not all of one kind."""


async def make_bad_codes(rig: Rig, count: int) -> dict[str, list[str]]:
    """Make a single-use program with cards of every kind, and return codes by the reason why they are not good.

    Args:
        rig: The vault, in which nothing is set up.
        count: Codes of each kind, up to 1,000.

    Raises:
        RuntimeError: A code could not be made what it should be.
    """
    async with rig.client("operator") as client:
        settings = ProgramSettings(clear_delivery=True, single_use=True)
        await client.call(client.administration.CreateProgram, CreateProgramRequest(program=PROGRAM, settings=settings))
    async with rig.client("issuer") as client:
        for _ in range(0, BESIDE, AT_ONCE):
            await _issue(client, AT_ONCE)
        inactive = await _issue(client, count, sold=False)
        frozen, superseded, closed, spent = [await _issue(client, count) for _ in range(4)]
        expired = await _issue(client, count, life_seconds=LIFE_SECONDS)
    end = time.monotonic() + LIFE_SECONDS
    async with rig.client("officer") as client:
        await freeze(client, await open_incident(client, [card.card_id for card in frozen]))
    await _supersede_and_close(rig, superseded, closed)
    await _spend(rig, spent)
    await asyncio.sleep(max(0.0, end - time.monotonic()))
    drawn = generate(CodeFormat(16, CheckAlgorithm.LUHN, ""), 2 * count, os.urandom)
    unknown = [code.expose().decode() for code in drawn]
    kinds = {"inactive": inactive, "frozen": frozen, "expired": expired, "superseded": superseded}
    return {
        REFERENCE: unknown[:count],
        "check digit": [code[:-1] + str((int(code[-1]) + 1) % 10) for code in unknown[count:]],
        **{kind: [card.code for card in cards] for kind, cards in (kinds | {"closed": closed, "spent": spent}).items()},
    }


async def _issue(client: VaultClient, count: int, *, sold: bool = True, life_seconds: float = 0.0) -> list[IssuedCard]:
    expire_time = Timestamp()
    expire_time.FromMilliseconds(int((time.time() + life_seconds) * 1000))
    card = NewCard(expire_time=expire_time if life_seconds else None)
    request = IssueCardsRequest(program=PROGRAM, cards=[card] * count, activate=sold, clear=True)
    return list((await client.call(client.issuance.IssueCards, request)).cards)


async def _supersede_and_close(rig: Rig, superseded: list[IssuedCard], closed: list[IssuedCard]) -> None:
    async with rig.client("keeper") as client:
        for card in superseded:
            selector = CardSelector(card_id=card.card_id)
            reissue = ReissueCardRequest(program=PROGRAM, card=selector, reason="bench", clear=True)
            await client.call(client.cards.ReissueCard, reissue)
        selectors = [CardSelector(card_id=card.card_id) for card in closed]
        await client.call(client.cards.CloseCards, CloseCardsRequest(program=PROGRAM, cards=selectors))


async def _spend(rig: Rig, cards: list[IssuedCard]) -> None:
    async with rig.client("redeemer") as client:
        for card in cards:
            request = RedeemCodeRequest(program=PROGRAM, code=PresentedCode(code=card.code))
            if (await client.call(client.validation.RedeemCode, request)).verdict != Verdict.VERDICT_GOOD:
                message = "a code that should be spent was not good before"
                raise RuntimeError(message)
