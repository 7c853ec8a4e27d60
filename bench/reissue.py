"""Re-issue of a lot beside bare writing and beside validations, and the freeze of its cards before."""

import asyncio
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import portions
from bench.calls import touch
from bench.cards import PROGRAM, Wallet, fill_wallet, issue_batch, set_up_program
from bench.clients import Run
from bench.figure import Figure, middle
from bench.grounds import Ground
from bench.officer import Done, freeze, newest_cards, open_incident, run_job, thaw
from bench.rig import Rig, running_vault
from bench.steady import RATE, offered_load, validations
from bench.yardstick import bare_rate
from vault.v1.rotation_service_pb2 import CreateRotationJobRequest, Reissue

REACH = 0.3
LIMIT_SECONDS = 20.0
FREEZE_SECONDS = 1.0
P99_OF_IDLE, P99_MS = 2.0, 25.0
CODES = 20_000
TOUCH_SECONDS = 2.0


class Lot(NamedTuple):
    """How many cards are re-issued, how long validations are measured before, and how often all of it is done."""

    cards: int
    idle_seconds: float
    rounds: int


class Seen(NamedTuple):
    """What rounds came to: freezes in seconds, jobs without and beside validations, bare rates, and validations."""

    freezes: list[float]
    alone: list[Done]
    beside: list[Done]
    bare: list[float]
    idle: list[Run]
    during: list[Run]


def measure_reissue(folder: Path, ground: Ground, lot: Lot, say: Callable[[str], None]) -> Seen:
    """Freeze a lot and re-issue it twice, beside validations and without, then write the latter's rows bare.

    Args:
        folder: Where the vaults go; each is deleted once it was measured.
        ground: Where their records live.
        lot: How much, how often.
        say: Told what is being done.
    """
    seen = Seen([], [], [], [], [], [])
    for number in range(lot.rounds):
        place = folder / f"lot-{number}"
        with running_vault(place, ground) as rig:
            wallet, incident = asyncio.run(_fill(rig, place, lot, seen))
            touch(rig, wallet, TOUCH_SECONDS)
            _beside(rig, wallet, incident, lot, seen)
            seen.alone.append(asyncio.run(_again(rig, incident)))
        seen.bare.append(bare_rate(rig, place, partial(portions.reissued, job_id=seen.alone[-1].job_id), leave=True))
        shutil.rmtree(place)
        say(
            f"round {number + 1}: froze in {seen.freezes[-1]:.2f} s, re-issued {seen.alone[-1].rate:,.0f} cards/s,"
            f" {seen.beside[-1].rate:,.0f} beside validations, {seen.bare[-1]:,.0f} bare;"
            f" p99 {seen.idle[-1].p99_ms:.1f} ms idle, {seen.during[-1].p99_ms:.1f} meanwhile"
        )
    return seen


def reissue_figures(seen: Seen, lot: Lot, bare: str) -> list[Figure]:
    """Return the figures of the re-issue; ``bare`` names what its rows were written by."""
    idle, during = (middle([run.p99_ms for run in runs]) for runs in (seen.idle, seen.during))
    allowed = max(P99_OF_IDLE * idle, P99_MS)
    alone, beside = (middle([done.seconds for done in jobs]) for jobs in (seen.alone, seen.beside))
    rate = middle([done.rate for done in seen.alone])
    what = f"re-issue of {lot.cards:,} cards"
    offered = f"beside {RATE:.0f} validations/s"
    return [
        Figure(what, rate, "cards/s", middle(seen.bare), bare, REACH),
        Figure(what, alone, "s", LIMIT_SECONDS, "limit", 1.0, at_most=True),
        Figure(f"the same {offered}", beside, "s", LIMIT_SECONDS, "limit", 1.0, at_most=True),
        Figure("their p99 meanwhile", during, "ms", idle, "p99 idle", round(allowed / idle, 2), at_most=True),
    ]


def freeze_figures(seen: Seen, lot: Lot) -> list[Figure]:
    """Return the figure of the freeze."""
    name = f"freeze of {lot.cards:,} chosen cards"
    return [Figure(name, middle(seen.freezes), "s", FREEZE_SECONDS, "limit", 1.0, at_most=True)]


async def _fill(rig: Rig, folder: Path, lot: Lot, seen: Seen) -> tuple[Wallet, str]:
    await set_up_program(rig)
    wallet = await fill_wallet(rig, folder, CODES)
    await issue_batch(rig, lot.cards)
    card_ids = await newest_cards(rig)
    async with rig.client("officer") as client:
        incident = await open_incident(client, card_ids)
        seen.freezes.append(await freeze(client, incident))
    return wallet, incident


def _beside(rig: Rig, wallet: Wallet, incident: str, lot: Lot, seen: Seen) -> None:
    rig.ground.begin()
    with offered_load(wallet.validate.parent, validations(rig, wallet)) as offered:
        time.sleep(TOUCH_SECONDS)
        idle = time.monotonic()
        time.sleep(lot.idle_seconds)
        done = asyncio.run(_reissue(rig, incident))
    seen.beside.append(done)
    seen.idle.append(offered.between(idle, idle + lot.idle_seconds))
    seen.during.append(offered.between(done.began, done.began + done.seconds))


async def _again(rig: Rig, incident: str) -> Done:
    async with rig.client("officer") as client:
        await thaw(client, incident)
    rig.ground.begin()
    return await _reissue(rig, incident)


async def _reissue(rig: Rig, incident: str) -> Done:
    async with rig.client("officer") as client:
        return await run_job(client, CreateRotationJobRequest(program=PROGRAM, reissue=Reissue(incident_id=incident)))
