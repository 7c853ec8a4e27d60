"""Re-key and rewrap of a vault that grows, beside bare writing, and what they take of the job process's memory."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench import portions
from bench.cards import PROGRAM, issue_batch, set_up_program
from bench.figure import Figure, middle
from bench.grounds import Ground
from bench.officer import Done, run_job
from bench.rig import Rig, running_vault
from bench.spool import Portion
from bench.yardstick import bare_rate
from vault.stores.protocol import Transaction
from vault.v1.rotation_service_pb2 import CreateRotationJobRequest, KeyMove, Reissue

REKEY_RATE, REWRAP_RATE = 20_000.0, 40_000.0
FLAT_REACH = 1.25
SAME_REACH = 0.8
"""How far the rate of rewrapping may fall from the smaller to the larger vault and still count as the same."""


class Rungs(NamedTuple):
    """Sizes that the vault grows to, in cards, and how often jobs run at the middle one; at the others once."""

    small: int
    middle: int
    large: int
    rounds: int


class Moved(NamedTuple):
    """What jobs and bare writing came to, in codes a second, and the job process's peaks in MiB."""

    rekey: list[float]
    rekey_bare: list[float]
    rewrap: list[float]
    rewrap_bare: list[float]
    rewrap_large: list[float]
    peaks: list[float]


def measure_moves(
    folder: Path, ground: Ground, rungs: Rungs, asked: frozenset[str], say: Callable[[str], None]
) -> Moved:
    """Grow a vault, and run the jobs that are asked for: ``rekey``, ``rewrap``, ``job-memory`` (and then all kinds).

    Args:
        folder: Where the vault goes; it is deleted once it was measured.
        ground: Where its records live.
        rungs: How large, how often.
        asked: What is wanted.
        say: Told what is being done.
    """
    moved = Moved([], [], [], [], [], [])
    place = folder / "growing"
    with running_vault(place, ground) as rig:
        asyncio.run(set_up_program(rig))
        if "job-memory" in asked:
            asyncio.run(issue_batch(rig, rungs.small))
            _remember(rig, moved, say)
        if asked & {"rekey", "rewrap"}:
            asyncio.run(issue_batch(rig, rungs.middle - (rungs.small if "job-memory" in asked else 0)))
            for _ in range(rungs.rounds):
                _beside_bare(rig, place, asked, moved, say)
        if asked & {"rewrap", "job-memory"}:
            there = rungs.middle if asked & {"rekey", "rewrap"} else rungs.small
            asyncio.run(issue_batch(rig, rungs.large - there))
            moved.rewrap_large.append(_run(rig, _rewrap(), say).rate)
        if "job-memory" in asked:
            _remember(rig, moved, say)
    ground.leave(rig.place.configuration)
    shutil.rmtree(place)
    return moved


def moves_figures(moved: Moved, rungs: Rungs, asked: frozenset[str]) -> list[Figure]:
    """Return the figures of what was asked for."""
    figures = []
    size, large = f"{rungs.middle:,}", f"{rungs.large:,}"
    if "rekey" in asked:
        rate = middle(moved.rekey)
        figures += [
            Figure(f"re-key of {size} codes", rate, "codes/s", REKEY_RATE, "wanted", 1.0),
            Figure(f"re-key of {size} codes", rate, "codes/s", middle(moved.rekey_bare), "bare UPDATE", None),
        ]
    if "rewrap" in asked:
        rate, rate_large = middle(moved.rewrap), middle(moved.rewrap_large)
        figures += [
            Figure(f"rewrap of {size} records", rate, "records/s", REWRAP_RATE, "wanted", 1.0),
            Figure(f"rewrap of {size} records", rate, "records/s", middle(moved.rewrap_bare), "bare UPDATE", None),
            Figure(f"rewrap of {large} records", rate_large, "records/s", REWRAP_RATE, "wanted", 1.0),
            Figure(f"rewrap of {large} records", rate_large, "records/s", rate, f"of {size}", SAME_REACH),
        ]
    if "job-memory" in asked:
        small, peak = moved.peaks
        name = f"memory of rotating {large} cards"
        figures.append(Figure(name, peak, "MiB", small, f"{rungs.small:,} cards", FLAT_REACH, at_most=True))
    return figures


def _beside_bare(rig: Rig, place: Path, asked: frozenset[str], moved: Moved, say: Callable[[str], None]) -> None:
    kinds: tuple[tuple[str, CreateRotationJobRequest, Callable[..., Iterator[Portion]]], ...] = (
        ("rekey", _rekey(), portions.rekeyed),
        ("rewrap", _rewrap(), portions.rewrapped),
    )
    for name, request, found in kinds:
        if name in asked:
            done = _run(rig, request, say)
            written: Callable[[Transaction], Iterator[Portion]] = partial(found, job_id=done.job_id)
            bare = bare_rate(rig, place, written, leave=False)
            say(f"wrote their rows bare, {bare:,.0f}/s")
            rates, bares = (moved.rekey, moved.rekey_bare) if name == "rekey" else (moved.rewrap, moved.rewrap_bare)
            rates.append(done.rate)
            bares.append(bare)


def _remember(rig: Rig, moved: Moved, say: Callable[[str], None]) -> None:
    """Run a job of each kind over every card, and take down the job process's peak since it began."""
    whole = CreateRotationJobRequest(program=PROGRAM, reissue=Reissue(whole_program=True))
    for request in (whole, _rekey(), _rewrap()):
        _run(rig, request, say)
    moved.peaks.append(rig.peak_mb("jobs"))
    say(f"peak of the job process {moved.peaks[-1]:.0f} MiB")


def _run(rig: Rig, request: CreateRotationJobRequest, say: Callable[[str], None]) -> Done:
    async def run() -> Done:
        async with rig.client("officer") as client:
            return await run_job(client, request)

    rig.ground.begin()
    done = asyncio.run(run())
    say(f"{request.WhichOneof('work')} of {done.counted:,}, {done.rate:,.0f}/s")
    return done


def _rekey() -> CreateRotationJobRequest:
    return CreateRotationJobRequest(program=PROGRAM, rekey=KeyMove())


def _rewrap() -> CreateRotationJobRequest:
    return CreateRotationJobRequest(program=PROGRAM, rewrap=KeyMove())
