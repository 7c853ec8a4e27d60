"""The sample's cards: some to pay with, some to exchange, one replaced by itself, and a number never issued."""

import secrets
from collections.abc import Mapping
from typing import NamedTuple
from uuid import uuid4

from vault.cli.edge.callers import PROGRAM
from vault.cli.edge.incident import supersede
from vault.client.channel import VaultClient
from vault.codes.checkdigit import check_digit
from vault.model.states import CheckAlgorithm
from vault.v1.administration_service_pb2 import CreateProgramRequest
from vault.v1.card_service_pb2 import ReissueCardRequest
from vault.v1.issuance_service_pb2 import IssueCardsRequest, IssuedCard, NewCard
from vault.v1.resources_pb2 import CardSelector, ProgramSettings


class Exchangeable(NamedTuple):
    """What is printed on a card whose code an incident superseded: its holder exchanges it by these."""

    code: str
    serial: str


class Dealt(NamedTuple):
    """The sample's cards: codes by kind, and the cards to exchange."""

    codes: dict[str, list[str]]
    exchangeable: list[Exchangeable]


async def make_program(operator: VaultClient) -> None:
    """Create the program; its codes are taken sealed only."""
    settings = ProgramSettings(single_use=True, clear_delivery=True, seal_required=True)
    request = CreateProgramRequest(program=PROGRAM, settings=settings)
    await operator.call(operator.administration.CreateProgram, request)


async def issue(issuer: VaultClient, count: int) -> list[IssuedCard]:
    """Issue and sell cards, and answer each with its code."""
    request = IssueCardsRequest(
        program=PROGRAM, request_id=str(uuid4()), cards=[NewCard()] * count, activate=True, clear=True
    )
    return list((await issuer.call(issuer.issuance.IssueCards, request)).cards)


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


async def deal(clients: Mapping[str, VaultClient], good: int, exchangeable: int) -> Dealt:
    """Make the program and its cards; the codes' kinds are ``good``, ``superseded`` and ``unknown``."""
    await make_program(clients["operator"])
    cards = await issue(clients["issuer"], good)
    codes = [card.code for card in cards[:-1]]
    codes.append(await replace(clients["keeper"], cards[-1].card_id))
    leaked = await issue(clients["issuer"], exchangeable)
    await supersede(clients["officer"], [card.card_id for card in leaked])
    digits = f"{secrets.randbelow(10**15):015}".encode()
    unknown = (digits + check_digit(digits, CheckAlgorithm.LUHN)).decode()
    return Dealt(
        {"good": codes, "superseded": [cards[-1].code], "unknown": [unknown]},
        [Exchangeable(card.code, card.serial) for card in leaked],
    )
