"""The holders, at a desk that may exchange codes: thieves with codes alone, true holders, one who comes late.

Claims are sent many at once, over several connections. The customer at a position of the lot has its code and,
if it was sold, the secret of its sale.
"""

import itertools
from typing import Any

from vault.cli.demo.stage import NETCASH, Stage
from vault.client.channel import VaultClient
from vault.client.exchange import ExchangeClaim, exchange_code
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.v1.resources_pb2 import PresentedCode, Verdict
from vault.v1.validation_service_pb2 import ExchangeCodeRequest, ExchangeCodeResponse

EXCHANGER = "exchanger"
AT_ONCE = 32
CONNECTIONS = 4
GUESSES = 3
"""Wrong secrets that a thief tries for one card: fewer than make its true holder wait."""
CONTESTED = 0
"""The holder, by number, whose code is claimed a second time."""


def holders(stage: Stage) -> list[int]:
    """Answer where in the lot the holders' cards are: spread over all that were sold."""
    plan = stage.plan
    return [number * plan.sold // plan.holders for number in range(plan.holders)]


class Customers:
    """What the customers hold."""

    def __init__(self, stage: Stage) -> None:
        self._codes = stage.place.read_wallet("lot")
        self._receipts = stage.place.read_wallet("receipts")
        self._serials = stage.place.read_paper("serials")

    def claim(self, position: int) -> ExchangeCodeRequest:
        """Answer the claim of a true holder."""
        return self._request(position, sale_secret=self._receipts[position].encode("ascii"))

    def thefts(self, position: int) -> list[ExchangeCodeRequest]:
        """Answer the claims of a thief, who has the code and its serial."""
        wrong = self._receipts[position - 1].encode("ascii")
        guesses = [self._request(position, sale_secret=wrong) for _ in range(GUESSES)]
        return [*guesses, self._request(position, serial=self._serials[position])]

    def unsold(self, position: int) -> ExchangeCodeRequest:
        """Answer a claim for a card that was never sold."""
        return self._request(position, sale_secret=self._receipts[0].encode("ascii"))

    def _request(self, position: int, **proof: Any) -> ExchangeCodeRequest:
        return ExchangeCodeRequest(program=NETCASH, code=PresentedCode(code=self._codes[position]), **proof)


async def steal(stage: Stage) -> dict[str, Any]:
    """Claim codes with all that leaked, and unsold ones: none is given out, and no answer says why."""
    customers = Customers(stage)
    requests = [request for position in holders(stage)[1:6] for request in customers.thefts(position)]
    requests += [customers.unsold(stage.plan.sold + number) for number in range(5)]
    async with stage.client(EXCHANGER) as client:

        async def work(request: ExchangeCodeRequest) -> ExchangeCodeResponse:
            return await client.call(client.validation.ExchangeCode, ExchangeClaim(request).request)

        answers = await stage.in_flight(requests, work, at_once=1)
    refusal = ExchangeCodeResponse(verdict=Verdict.VERDICT_NOT_GOOD)
    wrong = sum(answer != refusal for answer in answers)
    stage.expect(holds=wrong == 0, otherwise=f"{wrong} thieves were given something")
    return {"count": len(requests), "wrong": wrong}


async def exchange(stage: Stage) -> dict[str, Any]:
    """Exchange the holders' codes by the secrets of their sales; some send their claim twice, as after a break."""
    customers, renewed = Customers(stage), stage.place.read_wallet("renewed")
    serials, sold = stage.place.read_paper("renewed"), stage.place.read_paper("sold")
    clients = [stage.client(EXCHANGER) for _ in range(CONNECTIONS)]
    turn = itertools.cycle(clients)

    async def work(position: int) -> bool:
        claim = ExchangeClaim(customers.claim(position))
        answers = [await exchange_code(next(turn), claim) for _ in range(1 if position % 10 else 2)]
        return all(_is(answer, renewed[position], serials[position]) for answer in answers)

    try:
        right = await stage.in_flight(holders(stage), work, at_once=AT_ONCE)
    finally:
        for client in clients:
            await client.close()
    wrong = len(right) - sum(right)
    stage.expect(holds=wrong == 0, otherwise=f"{wrong} holders did not get their new code")
    stage.place.write_paper("contested", sold[holders(stage)[CONTESTED]])
    return {"count": sum(right), "wrong": wrong}


def _is(answer: ExchangedCode | None, code: str, serial: str) -> bool:
    return answer is not None and (answer.code, answer.serial) == (code, serial)


async def contest(stage: Stage) -> dict[str, Any]:
    """Claim a code that was exchanged, with the right secret: it is not given out again, the card is held."""
    async with stage.client(EXCHANGER) as client:
        given = await _claim(client, Customers(stage).claim(holders(stage)[CONTESTED]))
    stage.expect(holds=given is None, otherwise="a code was given out twice")
    return {"count": 1, "wrong": int(given is not None)}


async def _claim(client: VaultClient, request: ExchangeCodeRequest) -> ExchangedCode | None:
    return await exchange_code(client, ExchangeClaim(request))
