"""Many callers at the same cards, through processes that are killed: one order explains every answer."""

import asyncio
import os
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.postgres import Cluster
from tests.system.crew import Crew
from tests.system.history import Operation, check
from tests.system.issued import create_program, issue
from tests.system.racer import ask
from tests.system.running import Running, addresses, running, several

STORES = ("sqlite", "postgres")
OPERATIONS_ON_ONE_CARD = 50
HOT = 6
WORKERS = 2


class Race(NamedTuple):
    """How much to do."""

    operations: int
    processes: int
    callers: int
    seconds_between_kills: float


SHORT = Race(operations=3_000, processes=3, callers=8, seconds_between_kills=1.0)
LONG = Race(operations=110_000, processes=4, callers=10, seconds_between_kills=4.0)


@pytest.fixture(scope="module", params=STORES)
def vaults(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Running]]:
    """Run one vault of two workers over SQLite, or two vaults over PostgreSQL."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        with running(folder / "vault", workers=WORKERS) as vault:
            yield [vault]
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    with several(folder, WORKERS, dsn=cluster.dsn(name), workers=1) as vaults:
        yield vaults
    cluster.drop(name)


async def workers_ready(vaults: Sequence[Running]) -> int:
    """Count the workers that serve."""
    states = await asyncio.gather(*(asyncio.to_thread(vault.states) for vault in vaults))
    return len(re.findall(r"worker-\d+ ready", " ".join(states)))


async def kill_children(vaults: Sequence[Running], every_seconds: float, crew: Crew, dice: random.Random) -> int:
    """Kill a worker or a job process every now and then while the crew is at work, and return how many."""
    kills = 0
    while crew.at_work() and not crew.lines():  # noqa: ASYNC110  no event tells of another process
        await asyncio.sleep(0.05)
    while crew.at_work():
        kind = dice.choice(("worker", "worker", "jobs"))
        # A worker that dies again and again is restarted later and later: always the last one is no test.
        children = dice.choice(vaults).children(kind)
        if children and (kind == "jobs" or await workers_ready(vaults) == WORKERS):
            with suppress(ProcessLookupError):
                os.kill(dice.choice(children), signal.SIGKILL)
                kills += 1
        await asyncio.sleep(every_seconds * dice.uniform(0.5, 1.5))
    return kills


async def race(vaults: Sequence[Running], folder: Path, program: str, how: Race) -> None:
    await create_program(vaults[0], program)
    cards = await issue(vaults[0], how.operations // OPERATIONS_ON_ONE_CARD, program=program)
    plan = {
        "address": addresses(vaults),
        "certificates": str(vaults[0].certificates),
        "program": program,
        "cards": cards,
        "operations": how.operations // how.processes,
        "callers": how.callers,
        "hot": HOT,
    }
    began = time.monotonic()
    crew = Crew("racer", folder, plan, how.processes)
    killing = asyncio.create_task(kill_children(vaults, how.seconds_between_kills, crew, random.Random(20060609)))
    history = [Operation(*line) for line in await crew.finish()]
    kills = await killing
    took = time.monotonic() - began
    history += await final_states(vaults[0], program, [card for card, _ in cards])
    violations = check(history)
    assert not violations, report(violations[0])
    answers = Counter((operation.verb, operation.answer.partition(" ")[0]) for operation in history)
    unknown = sum(1 for operation in history if not operation.end)
    rate = len(history) / took
    print(f"{len(history)} operations in {took:.1f} s ({rate:.0f}/s), {kills} kills, {unknown} unknown: {answers}")
    assert len(history) >= 0.98 * how.operations
    assert kills > 0
    assert answers["redeem", "GOOD"] > how.operations // 50
    assert answers["reverse", "DONE"] > how.operations // 100


async def final_states(vault: Running, program: str, cards: Sequence[str]) -> list[Operation]:
    """Read every card when all is over."""
    found = []
    async with vault.client("keeper") as client:
        for card in cards:
            start = time.monotonic_ns()
            answer = await ask(client, program, "get", (card, "", ""))
            found.append(Operation(card, "get", start, time.monotonic_ns(), answer))
    return found


def report(violation: Any) -> str:
    lines = [f"no order explains {violation.operation}; the card could be {violation.states} after:"]
    return "\n".join([*lines, *map(str, violation.before)])


async def test_one_order_explains_every_answer(vaults: list[Running], tmp_path: Path) -> None:
    await race(vaults, tmp_path, "race", SHORT)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_one_order_explains_every_answer_of_a_long_race(vaults: list[Running], tmp_path: Path) -> None:
    await race(vaults, tmp_path, "long-race", LONG)


async def redeem_all(vaults: Sequence[Running], program: str, callers: int, codes: int) -> None:
    """Have every caller redeem every code, each in an order of its own; each code has one winner."""
    await create_program(vaults[0], program)
    cards = await issue(vaults[0], codes, program=program, active=True)
    address = addresses(vaults)
    winners: dict[str, list[int]] = {card: [] for card, _ in cards}

    async def caller(number: int, client: Any) -> None:
        for card, code in random.Random(number).sample(cards, len(cards)):
            if (await ask(client, program, "redeem", (card, code, ""))).startswith("GOOD"):
                winners[card].append(number)

    clients = [vaults[0].client("redeemer", address=address) for _ in range(8)]
    began = time.monotonic()
    await asyncio.gather(*(caller(number, clients[number % len(clients)]) for number in range(callers)))
    took = time.monotonic() - began
    for client in clients:
        await client.close()
    print(f"{callers} callers, {codes} codes: {callers * codes / took:.0f} redemptions/s in {took:.1f} s")
    assert {len(won) for won in winners.values()} == {1}
    assert len({number for won in winners.values() for number in won}) > min(callers, codes) // 4
    states = await final_states(vaults[0], program, [card for card, _ in cards])
    assert {operation.answer for operation in states} == {"REDEEMED"}


async def test_a_code_redeemed_by_many_has_one_winner(vaults: list[Running]) -> None:
    await redeem_all(vaults, "winners", 100, 10)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_500_codes_redeemed_by_100_callers_have_one_winner_each(vaults: list[Running]) -> None:
    await redeem_all(vaults, "more-winners", 100, 500)
