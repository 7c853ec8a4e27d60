"""The sample's cards: some to pay with, one whose code was replaced, and a number that nobody ever issued."""

import secrets
from collections.abc import Mapping
from uuid import uuid4

from vault.cli.edge.callers import PROGRAM
from vault.client.channel import VaultClient
from vault.codes.checkdigit import check_digit
from vault.model.states import CheckAlgorithm
from vault.v1.administration_service_pb2 import CreateProgramRequest
from vault.v1.card_service_pb2 import ReissueCardRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, NewCard
from vault.v1.resources_pb2 import CardSelector, ProgramSettings


async def make_program(operator: VaultClient) -> None:
    """Create the program; its codes are taken sealed only."""
    settings = ProgramSettings(single_use=True, clear_delivery=True, seal_required=True)
    request = CreateProgramRequest(program=PROGRAM, settings=settings)
    await operator.call(operator.administration.CreateProgram, request)


async def issue(issuer: VaultClient, count: int) -> list[tuple[str, str]]:
    """Issue and sell cards, and answer the card id and the code of each."""
    request = IssueCardsRequest(
        program=PROGRAM, request_id=str(uuid4()), cards=[NewCard()] * count, activate=True, clear=True
    )
    answer = await issuer.call(issuer.issuance.IssueCards, request)
    return [(card.card_id, card.code) for card in answer.cards]


async def replace(officer: VaultClient, card_id: str) -> str:
    """Give a card a new code, and answer it; the one before is superseded."""
    request = ReissueCardRequest(
        program=PROGRAM,
        request_id=str(uuid4()),
        card=CardSelector(card_id=card_id),
        reason="a card of the sample",
        clear=True,
    )
    return (await officer.call(officer.cards.ReissueCard, request)).code


async def deal(clients: Mapping[str, VaultClient], good: int) -> dict[str, list[str]]:
    """Make the program and its cards, and answer their codes by kind: ``good``, ``superseded``, ``unknown``."""
    await make_program(clients["operator"])
    cards = await issue(clients["issuer"], good)
    card_id, old_code = cards[-1]
    codes = [code for _, code in cards[:-1]]
    codes.append(await replace(clients["keeper"], card_id))
    digits = f"{secrets.randbelow(10**15):015}".encode()
    unknown = (digits + check_digit(digits, CheckAlgorithm.LUHN)).decode()
    return {"good": codes, "superseded": [old_code], "unknown": [unknown]}
