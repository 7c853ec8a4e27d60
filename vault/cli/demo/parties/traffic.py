"""A shop that asks about customers' codes all the time, and counts its answers against what must be true.

1. It asks at a steady rate, whether earlier answers have come or not, about every kind of card by turns.
2. Every answer is kept with the time at which it was asked for and came, and counted at the end, when all
   moments of the story are known (see ``truth``). A call without an answer counts as missed.
3. An answer is right only if verdict, card id and usage are, and if one that is not good tells nothing.

Its waits are from the call to the answer in this process, so they hold what the shop's own machine takes.
"""

import asyncio
import itertools
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from vault.cli.demo.moments import (
    AFTER,
    AFTER_END,
    FREEZING,
    FROZEN,
    IDLE,
    IDLE_END,
    PLANTED,
    READY,
    REISSUED,
    REISSUING,
    REPRINTED,
    SHOPS_CLOSE,
)
from vault.cli.demo.parties.holders import CONTESTED, holders
from vault.cli.demo.parties.shop import unknown_code
from vault.cli.demo.stage import NETCASH, SHOPS, Stage
from vault.cli.demo.truth import NEVER, USAGES, Kind, owed, positions
from vault.client.channel import VaultClient
from vault.errors import VaultError
from vault.v1.resources_pb2 import PresentedCode, Usage, Verdict
from vault.v1.validation_service_pb2 import ValidateCodeRequest, ValidatedCode

CALLS_PER_SECOND = 100
CONNECTIONS = 2
OF_EACH_KIND = 300
MOST_IN_FLIGHT = 500
LONGEST_LAG_SECONDS = 0.5
WINDOWS = {"idle": (IDLE, IDLE_END), "during": (REISSUING, REISSUED), "after": (AFTER, AFTER_END)}
SOLD = (Kind.UNUSED, Kind.ZERO, Kind.IN_USE)
_RANDOM = secrets.SystemRandom()


class Card(NamedTuple):
    """A customer's card: its kind, the code, whether that is a new one, and the card id if the shop knows it."""

    kind: Kind
    code: str
    renewed: bool
    card_id: str


class Answer(NamedTuple):
    """An answer: of what card, when it was asked for and came, whether good, and whether as it should be."""

    kind: Kind
    renewed: bool
    asked: float
    answered: float
    good: bool
    proper: bool


async def serve_customers(stage: Stage) -> dict[str, Any]:
    """Ask until the shops close, then count."""
    clients = [stage.client(stage.step) for _ in range(CONNECTIONS)]
    shop = Shop(stage, clients)
    asking = asyncio.create_task(shop.ask_all_the_time())
    try:
        await stage.until(REPRINTED)
        shop.take_renewed()
        await stage.until(SHOPS_CLOSE)
    finally:
        shop.closed = True
        await asking
        for client in clients:
            await client.close()
    return shop.count()


class Shop:
    """One shop: its customers, and the answers so far."""

    def __init__(self, stage: Stage, clients: list[VaultClient]) -> None:
        self.closed = False
        self._stage = stage
        self._clients = itertools.cycle(clients)
        self._answers: list[Answer] = []
        self._missed = 0
        self._chosen = _choose(stage)
        self._by_kind = {kind: _cards(stage, kind, chosen, "lot") for kind, chosen in self._chosen.items()}
        made_up = [unknown_code(stage.place) for _ in range(20)]
        self._by_kind[Kind.UNKNOWN] = [Card(Kind.UNKNOWN, code, renewed=False, card_id="") for code in made_up]

    def take_renewed(self) -> None:
        """Let the customers come with their new codes, too."""
        for kind, chosen in self._chosen.items():
            if kind is not Kind.CONTROL:
                self._by_kind[kind] += _cards(self._stage, kind, chosen, "renewed")

    async def ask_all_the_time(self) -> None:
        """Ask at a steady rate until the shop is closed, then wait for the answers."""
        under_way: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for card in self._customers():
                if self.closed:
                    break
                due = max(due + 1 / CALLS_PER_SECOND, time.monotonic() - LONGEST_LAG_SECONDS)
                await asyncio.sleep(due - time.monotonic())
                if len(under_way) >= MOST_IN_FLIGHT:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                task = group.create_task(self._ask(card))
                under_way.add(task)
                task.add_done_callback(under_way.discard)

    def _customers(self) -> Iterator[Card]:
        for cards in itertools.cycle(self._by_kind.values()):
            if cards:  # of few cards in all, one shop may have no customer of a kind
                yield _RANDOM.choice(cards)

    async def _ask(self, card: Card) -> None:
        client = next(self._clients)
        request = ValidateCodeRequest(programs=[NETCASH], code=PresentedCode(code=card.code))
        asked = time.monotonic()
        try:
            result = (await client.call(client.validation.ValidateCode, request)).result
        except VaultError:
            self._missed += 1
            return
        answered = time.monotonic()
        if not self._answers:
            self._stage.place.moments.note(f"{self._stage.step}{READY}")
        good = result.verdict == Verdict.VERDICT_GOOD
        self._answers.append(Answer(card.kind, card.renewed, asked, answered, good, _is_proper(card, result)))

    def count(self) -> dict[str, Any]:
        """Count the answers, and hand over how long they took."""
        stage, moments = self._stage, self._stage.place.moments.read()
        waits = {
            name: [each.answered - each.asked for each in self._answers if _within(each, moments, *window)]
            for name, window in WINDOWS.items()
        }
        stage.place.write_paper(f"{stage.step}-waits", waits)
        wrong = [each for each in self._answers if _is_wrong(each, moments)]
        stage.expect(holds=not wrong, otherwise=f"{len(wrong)} answers were wrong: {_told(wrong)}")
        stage.expect(holds=self._missed == 0, otherwise=f"{self._missed} calls had no answer")
        seen = first_refusal_seconds(self._answers, moments)
        stage.expect(holds=seen is not None, otherwise="no frozen card was refused")
        return {"count": len(self._answers), "wrong": len(wrong), "missed": self._missed, "first_refusal_seconds": seen}


def first_refusal_seconds(answers: list[Answer], moments: Mapping[str, float]) -> float | None:
    """Answer how long after the freeze was sent the first answer came that refused a card because of it."""
    begun = moments.get(FREEZING, NEVER)
    seen = [
        each.answered
        for each in answers
        if each.kind in SOLD and not each.renewed and each.asked >= begun and not each.good
    ]
    return min(seen) - begun if seen else None


def _choose(stage: Stage) -> dict[Kind, list[int]]:
    """Choose this shop's customers: places in the lot, or among other cards; not the contested card."""
    places: dict[Kind, range] = {**positions(stage.plan), Kind.CONTROL: range(stage.plan.control)}
    contested = holders(stage)[CONTESTED]
    own = SHOPS.index(stage.step)
    return {
        kind: [
            place
            for place in _RANDOM.sample(every, min(len(every), OF_EACH_KIND * len(SHOPS)))
            if place % len(SHOPS) == own and (kind is Kind.CONTROL or place != contested)
        ]
        for kind, every in places.items()
    }


def _cards(stage: Stage, kind: Kind, chosen: list[int], lot: str) -> list[Card]:
    name = "control" if kind is Kind.CONTROL else lot
    codes, ids = stage.place.read_wallet(name), stage.place.read_paper("control" if kind is Kind.CONTROL else "sold")
    renewed = name == "renewed"
    return [Card(kind, codes[place], renewed, ids[place] if kind in USAGES else "") for place in chosen]


def _is_proper(card: Card, result: ValidatedCode) -> bool:
    if result.verdict == Verdict.VERDICT_GOOD:
        return (result.card_id, result.usage) == (card.card_id, USAGES.get(card.kind))
    return not result.card_id and result.usage == Usage.USAGE_UNSPECIFIED and not result.detail


def _is_wrong(answer: Answer, moments: Mapping[str, float]) -> bool:
    good = owed(answer.kind, moments, renewed=answer.renewed, asked=answer.asked, answered=answer.answered)
    if PLANTED in moments and answer.kind is Kind.IN_USE and answer.asked >= moments.get(FROZEN, NEVER):
        good = True  # told wrongly, to prove that a wrong answer is counted
    return not answer.proper or (good is not None and answer.good != good)


def _told(wrong: list[Answer]) -> str:
    def words(each: Answer) -> str:
        code, was = "new" if each.renewed else "old", "good" if each.good else "not good"
        return f"{code} code, {each.kind.value}, was {was}" + ("" if each.proper else " and not as it should be")

    return "; ".join(sorted({words(each) for each in wrong}))


def _within(answer: Answer, moments: Mapping[str, float], begins: str, ends: str) -> bool:
    return moments.get(begins, NEVER) <= answer.asked and answer.answered <= moments.get(ends, -NEVER)
