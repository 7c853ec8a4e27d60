"""Issuing a large batch by the job process, beside writing its rows bare; and memory over it."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import portions
from bench.calls import touch
from bench.cards import Wallet, fill_wallet, issue_batch, set_up_program
from bench.figure import Figure, middle
from bench.grounds import Ground
from bench.rig import Rig, running_vault
from bench.yardstick import bare_rate

REACH = 0.4
MEMORY_LIMIT_MB = 150.0
FLAT_REACH = 1.25
"""How far a peak of memory may be above the peak of the small vault and still count as flat."""

TOUCH_SECONDS = 2.0
CODES = 20_000


class Sizes(NamedTuple):
    """Cards of the small batch, of the large one, and the runs to make."""

    small: int
    large: int
    rounds: int


class Peaks(NamedTuple):
    """Peaks of resident memory in MiB."""

    worker: float
    jobs: float


class Issued(NamedTuple):
    """Rates of issuance and of bare writing in cards/s, and the peaks after the small and the large batch."""

    rates: list[float]
    bare: list[float]
    small: list[Peaks]
    large: list[Peaks]


def measure_issuance(
    folder: Path,
    ground: Ground,
    sizes: Sizes,
    say: Callable[[str], None],
    with_vault: Callable[[Rig, Wallet], None],
) -> Issued:
    """Issue a small and then a large batch in a new vault, write the large one's rows bare, and that several times.

    Args:
        folder: Where the vaults go; each is deleted once it was measured.
        ground: Where their records live.
        sizes: How many cards, how often.
        say: Told what is being done.
        with_vault: Called with the last vault while it runs, full as it is.
    """
    issued = Issued([], [], [], [])
    for number in range(sizes.rounds):
        place = folder / f"vault-{number}"
        with running_vault(place, ground) as rig:
            wallet = asyncio.run(_fill(rig, place, sizes.small))
            touch(rig, wallet, TOUCH_SECONDS)
            issued.small.append(Peaks(rig.peak_mb("worker"), rig.peak_mb("jobs")))
            ground.begin()
            seconds = asyncio.run(issue_batch(rig, sizes.large))
            issued.rates.append(sizes.large / seconds)
            say(f"round {number + 1}: issued {sizes.large:,} cards, {issued.rates[-1]:,.0f}/s")
            touch(rig, wallet, TOUCH_SECONDS)
            if number == sizes.rounds - 1:
                with_vault(rig, wallet)
            issued.large.append(Peaks(rig.peak_mb("worker"), rig.peak_mb("jobs")))
        issued.bare.append(bare_rate(rig, place, portions.issued, leave=True))
        say(f"round {number + 1}: wrote their rows bare, {issued.bare[-1]:,.0f}/s")
        shutil.rmtree(place)
    return issued


def issuance_figures(issued: Issued, bare: str) -> list[Figure]:
    """Return the figure of the rate; ``bare`` names what the rows were written by."""
    return [Figure("issuance", middle(issued.rates), "cards/s", middle(issued.bare), bare, REACH)]


def memory_figures(issued: Issued, sizes: Sizes) -> list[Figure]:
    """Return the figures of memory: each against the limit, and against what the small vault took."""
    figures = []
    for name, kind in (("worker", 0), ("job process", 1)):
        large, small = (middle([peaks[kind] for peaks in runs]) for runs in (issued.large, issued.small))
        figures += [
            Figure(f"memory of a {name}", large, "MiB", MEMORY_LIMIT_MB, "limit", 1.0, at_most=True),
            Figure(
                f"memory of a {name}, flat", large, "MiB", small, f"at {sizes.small:,} cards", FLAT_REACH, at_most=True
            ),
        ]
    return figures


async def _fill(rig: Rig, folder: Path, cards: int) -> Wallet:
    await set_up_program(rig)
    await issue_batch(rig, cards)
    return await fill_wallet(rig, folder, CODES)
