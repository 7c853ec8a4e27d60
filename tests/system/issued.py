"""A program with cards of known codes, for clients to work on."""

from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from tests.system.running import Running
from vault.v1 import activation_service_pb2 as activation
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources

PROGRAM = "netcash"
MOST_AT_ONCE = 1000


async def create_program(vault: Running, program: str = PROGRAM) -> None:
    """Create a program for single use, with windows for undoing that no test outlasts."""
    settings = resources.ProgramSettings(
        single_use=True,
        clear_delivery=True,
        activation_undo_window=Duration(seconds=86_400),
        redemption_reversal_window=Duration(seconds=86_400),
    )
    async with vault.client("operator") as client:
        request = administration.CreateProgramRequest(program=program, settings=settings)
        await client.call(client.administration.CreateProgram, request)


async def issue(vault: Running, count: int, *, program: str = PROGRAM, active: bool = False) -> list[tuple[str, str]]:
    """Issue cards, activated or not, and return each card's id and code."""
    issued: list[tuple[str, str]] = []
    async with vault.client("issuer") as client:
        while len(issued) < count:
            wanted = [issuance.NewCard()] * min(MOST_AT_ONCE, count - len(issued))
            request = issuance.IssueCardsRequest(program=program, request_id=str(uuid4()), cards=wanted, clear=True)
            answer = await client.call(client.issuance.IssueCards, request, 60.0)
            issued += [(card.card_id, card.code) for card in answer.cards]
    if active:
        await activate(vault, [card for card, _ in issued], program)
    return issued


async def activate(vault: Running, cards: list[str], program: str = PROGRAM) -> None:
    """Activate cards."""
    async with vault.client("seller") as client:
        for first in range(0, len(cards), MOST_AT_ONCE):
            chosen = [resources.CardSelector(card_id=card) for card in cards[first : first + MOST_AT_ONCE]]
            request = activation.ActivateCardsRequest(program=program, cards=chosen)
            answer = await client.call(client.activation.ActivateCards, request, 60.0)
            assert all(change.outcome == resources.CHANGE_OUTCOME_DONE for change in answer.changes)
