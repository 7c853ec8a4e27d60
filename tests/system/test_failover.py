"""Database, machine or vault dies under load: what was acknowledged is there, once, and work goes on.

How soon it goes on is printed, and no more: tests share their machine.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.postgres import Cluster
from tests.system.account import Account, account_of, verify
from tests.system.crew import Crew, trade, trading, trading_on
from tests.system.issued import PROGRAM, create_program
from tests.system.running import Running, running
from tests.system.standby import pair


@pytest.fixture
def durable() -> Iterator[Cluster]:
    """Run a cluster that waits for the disk."""
    cluster = Cluster(durable=True)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


async def finished(crew: Crew, folder: Path) -> Account:
    """Have the traders end, and return their account."""
    (folder / "stop").touch()
    return account_of(await crew.finish(600))


async def test_a_standby_takes_over_from_a_killed_primary(tmp_path: Path) -> None:
    with pair() as databases:
        name = databases.primary.create()
        with running(tmp_path / "vault", dsn=databases.dsn(name)) as vault:
            await create_program(vault)
            crew = trade([vault], tmp_path, processes=1, callers=6)
            try:
                await trading(crew, 150)
                await asyncio.to_thread(databases.primary.kill)
                killed = time.monotonic_ns()
                await asyncio.sleep(0.5)  # until someone notices
                asked = time.monotonic_ns()
                await asyncio.to_thread(databases.standby.promote)
                promoted = time.monotonic_ns()
                before = account_of(crew.lines())
                await trading(crew, before.effects + 150)
                account = await finished(crew, tmp_path)
            finally:
                crew.end()
        gap = account.seconds_after(asked)
        print(
            f"primary killed; promotion asked for after {(asked - killed) / 1e9:.2f} s, took "
            f"{(promoted - asked) / 1e9:.2f} s; first write acknowledged {gap:.2f} s after it was asked for; "
            f"{account.effects} effects, {account.unavailable} calls unavailable to the end of their deadline"
        )
        verify(account, databases.standby.dsn(name), PROGRAM)


async def rounds(cluster: Cluster, folder: Path, *, count: int, effects: int) -> None:
    """Kill database and vault in turn under traders, then hold their account against the database."""
    name = cluster.create()
    dice = random.Random(20060609)
    moments: list[tuple[str, int, float]] = []
    with running(folder / "vault", dsn=cluster.dsn(name)) as vault:
        await create_program(vault)
        crew = trade([vault], folder, callers=8, cards=25, spend=0.3)
        try:
            for number in range(1, count + 1):
                await trading(crew, effects * number // (count + 1))
                await asyncio.sleep(dice.uniform(0, 0.3))
                moments.append(await asyncio.to_thread(kill_and_start, cluster if number % 2 else vault))
                await trading_on(crew)
            await trading(crew, effects)
            account = await finished(crew, folder)
        finally:
            crew.end()
    for kind in ("Cluster", "Running"):
        ready = [account.seconds_after(moment) for which, moment, _ in moments if which == kind]
        took = [seconds for which, _, seconds in moments if which == kind]
        print(
            f"{kind}: acknowledged again {min(ready):.2f} to {max(ready):.2f} s, in the middle "
            f"{median(ready):.2f} s, after its start began; that took {min(took):.2f} to {max(took):.2f} s"
        )
    print(f"{count} rounds, {account.effects} effects, {account.unavailable} calls unavailable to their deadline")
    verify(account, cluster.dsn(name), PROGRAM)
    assert account.effects >= effects


def kill_and_start(victim: Cluster | Running) -> tuple[str, int, float]:
    """Kill a database or a vault and start it again; return which, when that start began and what it took."""
    victim.kill()
    moment = time.monotonic_ns()
    victim.start()
    return type(victim).__name__, moment, (time.monotonic_ns() - moment) / 1e9


async def test_nothing_is_lost_when_database_and_vault_are_killed(tmp_path: Path, durable: Cluster) -> None:
    await rounds(durable, tmp_path, count=2, effects=1_500)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_nothing_is_lost_over_twenty_rounds(tmp_path: Path, durable: Cluster) -> None:
    await rounds(durable, tmp_path, count=20, effects=50_000)
