"""A client process that trades: it issues, sells, validates and spends cards, and notes what was acknowledged.

Plan: ``address`` (of several vaults), ``certificates``, ``program``, ``callers``, ``cards`` issued at a time,
``spend`` (the share of cards that is spent, from 0 to 1), ``seconds`` at most, ``stop`` (a file: trading ends
when it is there), ``seed``. Each line of the result is a list of a word, the time in ns, and: ``issued`` and
``sold`` the card ids, ``spent`` a card id and its redemption, ``waited`` the ms of a call that took over
``SLOW_SECONDS`` and its name, ``unavailable`` the name of a call that was so to its deadline and the reason,
``wrong`` what it was.

What is begun is settled: a call whose outcome is unknown is repeated under its request id until it is known.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO, TypeVar

from google.protobuf.message import Message

from tests.system.crew import read_plan
from tests.system.running import client_of
from vault.client.channel import VaultClient
from vault.errors import Unavailable, VaultError
from vault.v1 import activation_service_pb2 as activation
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

TIMEOUT_SECONDS = 120.0
SLOW_SECONDS = 0.5
SETTLE_SECONDS = 600.0

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


class Trader:
    """One process's callers."""

    def __init__(self, plan: dict[str, Any], out: TextIO) -> None:
        self._plan = plan
        self._out = out
        self._stop = Path(plan["stop"])
        self._end = time.monotonic() + plan["seconds"]
        self._random = random.Random(plan["seed"])
        folder = Path(plan["certificates"])
        callers = ("issuer", "seller", "redeemer", "shop")
        self._clients = {name: client_of(folder, name, plan["address"], TIMEOUT_SECONDS) for name in callers}

    async def run(self) -> None:
        """Trade until it is time to stop."""
        await asyncio.gather(*(self._trade() for _ in range(self._plan["callers"])))
        for client in self._clients.values():
            await client.close()

    async def _trade(self) -> None:
        while time.monotonic() < self._end and not self._stop.exists():
            try:
                await self._round()
            except VaultError as error:
                self._note("wrong", type(error).__name__, f"{error.reason}: {error.message}")
                return

    async def _round(self) -> None:
        program = self._plan["program"]
        client = self._clients["issuer"]
        new = [issuance.NewCard()] * self._plan["cards"]
        wanted = issuance.IssueCardsRequest(program=program, cards=new, clear=True)
        issued = (await self._call(client, client.issuance.IssueCards, wanted)).cards
        self._note("issued", *(card.card_id for card in issued))
        client = self._clients["seller"]
        chosen = [resources.CardSelector(card_id=card.card_id) for card in issued]
        sale = activation.ActivateCardsRequest(program=program, cards=chosen)
        changes = (await self._call(client, client.activation.ActivateCards, sale)).changes
        self._expect("sell", {change.outcome for change in changes} == {resources.CHANGE_OUTCOME_DONE})
        self._note("sold", *(card.card_id for card in issued))
        for card in issued:
            if self._random.random() < self._plan["spend"]:
                await self._validate(card.code, resources.VERDICT_GOOD)
                await self._spend(card)

    async def _spend(self, card: issuance.IssuedCard) -> None:
        client = self._clients["redeemer"]
        presented = resources.PresentedCode(code=card.code)
        for times in range(2):
            request = validation.RedeemCodeRequest(program=self._plan["program"], code=presented)
            spent = await self._call(client, client.validation.RedeemCode, request)
            self._expect("redeem", spent.verdict == (resources.VERDICT_NOT_GOOD if times else resources.VERDICT_GOOD))
            if not times:
                self._note("spent", card.card_id, spent.redemption_id)
        await self._validate(card.code, resources.VERDICT_NOT_GOOD)

    async def _validate(self, code: str, verdict: resources.Verdict.ValueType) -> None:
        client = self._clients["shop"]
        presented = resources.PresentedCode(code=code)
        question = validation.ValidateCodeRequest(programs=[self._plan["program"]], code=presented)
        answer = await self._call(client, client.validation.ValidateCode, question)
        self._expect("validate", answer.result.verdict == verdict)

    async def _call(self, client: VaultClient, method: Any, request: Message) -> Any:
        """Call until the outcome is known."""
        began = time.monotonic()
        while True:
            try:
                answer = await client.call(method, request)
            except Unavailable as error:
                if error.reason == "INTERNAL" or time.monotonic() > began + SETTLE_SECONDS:
                    raise
                self._note("unavailable", request.DESCRIPTOR.name, error.reason)
                await asyncio.sleep(0.2)
                continue
            took = time.monotonic() - began
            if took > SLOW_SECONDS:
                self._note("waited", round(1000 * took), request.DESCRIPTOR.name)
            return answer

    def _expect(self, verb: str, right: bool) -> None:
        if not right:
            self._note("wrong", verb, "not the answer that the one order of this card allows")

    def _note(self, kind: str, *facts: object) -> None:
        # One write for each line, so that what was acknowledged is there however this process ends.
        self._out.write(json.dumps([kind, time.monotonic_ns(), *facts]) + "\n")
        self._out.flush()


def main() -> None:
    """Trade by the plan that the command line names."""
    plan, result = read_plan(sys.argv)
    with result.open("w") as out:

        async def trade() -> None:
            await Trader(plan, out).run()

        asyncio.run(trade())


if __name__ == "__main__":
    main()
