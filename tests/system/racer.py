"""A client process that races for cards: callers change, spend and read the same few, and note each answer.

Plan: ``address``, ``certificates``, ``program``, ``cards`` (pairs of card id and code), ``operations`` to do,
``callers`` that do them, ``hot`` cards at a time, ``seed``. All processes move through the cards at one pace.
"""

import asyncio
import json
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO

from tests.system.crew import read_plan
from tests.system.history import Operation
from tests.system.running import client_of
from vault.client.channel import VaultClient
from vault.errors import FailedPrecondition, Unavailable
from vault.v1 import activation_service_pb2 as activation
from vault.v1 import card_service_pb2 as cards
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

VERBS = {
    "activate": 14,
    "deactivate": 4,
    "suspend": 8,
    "resume": 18,
    "close": 0.4,
    "redeem": 15,
    "reverse": 26,
    "validate": 12,
    "get": 10,
}
CALLERS = {
    **dict.fromkeys(("activate", "deactivate"), "seller"),
    **dict.fromkeys(("suspend", "resume", "close", "get"), "keeper"),
    **dict.fromkeys(("redeem", "reverse"), "redeemer"),
    "validate": "shop",
}
TIMEOUT_SECONDS = 120.0


class Racer:
    """One process's callers."""

    def __init__(self, plan: dict[str, Any], out: TextIO) -> None:
        self._plan = plan
        self._out = out
        self._random = random.Random(plan["seed"])
        self._begun = 0
        self._redemptions: dict[str, str] = {}
        folder = Path(plan["certificates"])
        self._clients = {
            caller: client_of(folder, caller, plan["address"], TIMEOUT_SECONDS) for caller in {*CALLERS.values()}
        }

    async def run(self) -> None:
        """Do every operation of the plan."""
        await asyncio.gather(*(self._call() for _ in range(self._plan["callers"])))
        for client in self._clients.values():
            await client.close()

    async def _call(self) -> None:
        every, hot = self._plan["cards"], self._plan["hot"]
        while self._begun < self._plan["operations"]:
            window = self._begun * (len(every) // hot) // self._plan["operations"]
            self._begun += 1
            card, code = every[window * hot + self._random.randrange(hot)]
            (verb,) = self._random.choices([*VERBS], [*VERBS.values()])
            argument = self._redemptions.get(card, "") if verb == "reverse" else ""
            if verb == "reverse" and not argument:
                verb = "validate"
            start = time.monotonic_ns()
            try:
                answer = await ask(self._clients[CALLERS[verb]], self._plan["program"], verb, (card, code, argument))
                end = time.monotonic_ns()
            except Unavailable as error:
                answer, end = f"UNKNOWN: {error.reason}", 0
                if verb in {"validate", "get"}:
                    continue
            if verb == "redeem" and answer.startswith("GOOD "):
                self._redemptions[card] = answer.removeprefix("GOOD ")
            self._out.write(json.dumps(Operation(card, verb, start, end, answer, argument)) + "\n")


async def ask(client: VaultClient, program: str, verb: str, about: tuple[str, str, str]) -> str:
    """Do one operation on a card (its id, code, redemption to reverse); return the answer as history has it.

    Raises:
        Unavailable: The outcome is unknown.
    """
    card, code, redemption = about
    chosen = [resources.CardSelector(card_id=card)]
    presented = resources.PresentedCode(code=code)
    if verb == "validate":
        question = validation.ValidateCodeRequest(programs=[program], code=presented)
        result = (await client.call(client.validation.ValidateCode, question)).result
        return "GOOD" if result.verdict == resources.VERDICT_GOOD else "NOT_GOOD"
    if verb == "get":
        found = await client.call(client.cards.GetCard, cards.GetCardRequest(program=program, card=chosen[0]))
        return _state(found.card.state)
    if verb == "redeem":
        spend = validation.RedeemCodeRequest(program=program, code=presented)
        spent = await client.call(client.validation.RedeemCode, spend)
        return f"GOOD {spent.redemption_id}" if spent.verdict == resources.VERDICT_GOOD else "NOT_GOOD"
    if verb == "reverse":
        undo = validation.ReverseRedemptionRequest(program=program, card=chosen[0], redemption_id=redemption)
        try:
            await client.call(client.validation.ReverseRedemption, undo)
        except FailedPrecondition as error:
            if error.reason != "NOT_THIS_REDEMPTION":
                raise
            return "REFUSED"
        return "DONE"
    return await _change(client, program, verb, chosen)


async def _change(client: VaultClient, program: str, verb: str, chosen: list[resources.CardSelector]) -> str:
    ways: dict[str, tuple[Any, Any]] = {
        "activate": (client.activation.ActivateCards, activation.ActivateCardsRequest),
        "deactivate": (client.activation.DeactivateCards, activation.DeactivateCardsRequest),
        "suspend": (client.cards.SuspendCards, cards.SuspendCardsRequest),
        "resume": (client.cards.ResumeCards, cards.ResumeCardsRequest),
        "close": (client.cards.CloseCards, cards.CloseCardsRequest),
    }
    method, request = ways[verb]
    (change,) = (await client.call(method, request(program=program, cards=chosen))).changes
    outcome = resources.ChangeOutcome.Name(change.outcome).removeprefix("CHANGE_OUTCOME_")
    return f"{outcome} {_state(change.state)}"


def _state(state: resources.Card.State.ValueType) -> str:
    return resources.Card.State.Name(state).removeprefix("STATE_")


def main() -> None:
    """Race by the plan that the command line names."""
    plan, result = read_plan(sys.argv)
    with result.open("w") as out:

        async def race() -> None:
            await Racer(plan, out).run()

        asyncio.run(race())


if __name__ == "__main__":
    main()
