"""The bench's command line; ``scripts/bench`` starts it.

Exit status: 0 when every figure was measured, whether it holds or not; 1 when something could not be measured;
2 for wrong usage.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import psycopg

from bench.calls import Pace, measure_calls, touch
from bench.cards import Wallet, fill_wallet, issue_batch, set_up_program
from bench.clients import WrongAnswer
from bench.coalesce import coalesce_figures, measure_coalesce
from bench.connections import connections_figure
from bench.figure import Figure
from bench.grounds import KINDS, Ground, ground_of
from bench.issuance import CODES, Sizes, issuance_figures, measure_issuance, memory_figures
from bench.moves import Rungs, measure_moves, moves_figures
from bench.overload import measure_overload
from bench.paced import Rates, measure_paced
from bench.profile import FORMATS
from bench.reissue import Lot, freeze_figures, measure_reissue, reissue_figures
from bench.report import show
from bench.rig import Rig, running_vault
from bench.sealed import Load, measure_sealed, sealed_figures
from bench.uniform import Sample, measure_uniform, uniform_figures
from vault.errors import VaultError

CALLS = frozenset({"validate", "batch"})
PACED = frozenset({"paced"})
CLIENT = frozenset({"coalesce", "sealed", "overload"})
ISSUING = frozenset({"issuance", "memory"})
LOTS = frozenset({"reissue", "freeze"})
MOVES = frozenset({"rekey", "rewrap", "job-memory"})
UNIFORM = frozenset({"uniform"})
NAMES = CALLS | PACED | CLIENT | ISSUING | LOTS | MOVES | UNIFORM | {"connections"}
MOST_CALLS = 10_000_000
MOST_ROUNDS = 99
FULL_PACE, QUICK_PACE = Pace(5, 1.5, 6.0), Pace(1, 1.0, 2.0)
FULL_SIZES, QUICK_SIZES = Sizes(10_000, 1_000_000, 3), Sizes(1_000, 10_000, 1)
FULL_LOT, QUICK_LOT = Lot(81_105, 10.0, 3), Lot(5_000, 3.0, 1)
FULL_RUNGS, QUICK_RUNGS = Rungs(10_000, 100_000, 1_000_000, 3), Rungs(1_000, 5_000, 20_000, 1)
FULL_SAMPLE, QUICK_SAMPLE = Sample(100_000, 500), Sample(2_000, 20)
FULL_LOAD, QUICK_LOAD = Load(12_000, 20, 60), Load(1_000, 4, 10)
FULL_RATES, QUICK_RATES = Rates((100.0, 300.0, 600.0, 1000.0), 1.0, 8.0, 3), Rates((100.0, 300.0), 0.5, 1.5, 1)
CARDS_WITHOUT_ISSUANCE = 10_000
TEMPORARY = "cardvault-bench-"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures a vault beside its yardsticks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(sorted(NAMES)) + " (all)")
    parser.add_argument("--store", choices=KINDS, default=KINDS[0], help="where records live (%(default)s)")
    parser.add_argument("--json", action="store_true", help="write a list of figures as JSON to standard output")
    parser.add_argument("--quick", action="store_true", help="10,000 cards and one short run each, for a look")
    parser.add_argument("--rounds", type=int, metavar="N", help="runs of each, 1 to 99 (calls 5, issuance 3)")
    parser.add_argument("--calls", type=int, metavar="N", help="calls that uniform times in each place (100,000)")
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="where a worker's time goes in calls: .svg .json .txt"
    )
    parsed = parser.parse_args()
    strangers = set(parsed.names) - NAMES
    if strangers:
        parser.error(f"there is no figure {min(strangers)}")
    if parsed.store != "postgres" and "connections" in parsed.names:
        parser.error("connections are those to a database: --store postgres")
    if parsed.rounds is not None and not 1 <= parsed.rounds <= MOST_ROUNDS:
        parser.error(f"--rounds is 1 to {MOST_ROUNDS}")
    if parsed.profile is not None and parsed.profile.suffix not in FORMATS:
        parser.error("--profile names a file that ends in .svg (flame graph), .json (speedscope) or .txt (stacks)")
    if parsed.calls is not None and not 1 <= parsed.calls <= MOST_CALLS:
        parser.error(f"--calls is 1 to {MOST_CALLS:,}")
    return parsed


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Asked(NamedTuple):
    """What is to be measured, how long and how often."""

    names: frozenset[str]
    pace: Pace
    sizes: Sizes
    lot: Lot
    rungs: Rungs
    sample: Sample
    load: Load
    rates: Rates
    profile: Path | None


def _asked(parsed: argparse.Namespace) -> Asked:
    names = frozenset(parsed.names) or (NAMES if parsed.store == "postgres" else NAMES - {"connections"})
    quick = Asked(
        *(names, QUICK_PACE, QUICK_SIZES, QUICK_LOT, QUICK_RUNGS, QUICK_SAMPLE, QUICK_LOAD, QUICK_RATES),
        parsed.profile,
    )
    full = Asked(
        *(names, FULL_PACE, FULL_SIZES, FULL_LOT, FULL_RUNGS, FULL_SAMPLE, FULL_LOAD, FULL_RATES), parsed.profile
    )
    asked, rounds = quick if parsed.quick else full, parsed.rounds
    if parsed.calls is not None:
        asked = asked._replace(sample=asked.sample._replace(calls=parsed.calls))
    if rounds is None:
        return asked
    return asked._replace(
        pace=asked.pace._replace(rounds=rounds),
        sizes=asked.sizes._replace(rounds=rounds),
        lot=asked.lot._replace(rounds=rounds),
        rungs=asked.rungs._replace(rounds=rounds),
        rates=asked.rates._replace(rounds=rounds),
    )


def _measure(asked: Asked, ground: Ground) -> list[Figure]:
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as name:
        folder = Path(name)
        if asked.names & (CALLS | PACED | CLIENT | ISSUING | {"connections"}):
            figures += _measure_steady(asked, ground, folder)
        if asked.names & LOTS:
            seen = measure_reissue(folder, ground, asked.lot, _say)
            if "reissue" in asked.names:
                figures += reissue_figures(seen, asked.lot, ground.bare)
            if "freeze" in asked.names:
                figures += freeze_figures(seen, asked.lot)
        if asked.names & MOVES:
            moved = measure_moves(folder, ground, asked.rungs, asked.names & MOVES, _say)
            figures += moves_figures(moved, asked.rungs, asked.names)
        if asked.names & UNIFORM:
            figures += uniform_figures(measure_uniform(folder, ground, asked.sample, _say))
    return figures


def _measure_steady(asked: Asked, ground: Ground, folder: Path) -> list[Figure]:
    """Measure calls, issuance and what they take, in a vault without incidents."""
    figures: list[Figure] = []
    processes: list[int] = []

    def measure(rig: Rig, wallet: Wallet) -> None:
        processes.append(rig.processes)
        if asked.names & CALLS:
            figures.extend(measure_calls(rig, wallet, asked.pace, asked.names, _say, asked.profile))
        elif not asked.names & (CLIENT | PACED):
            touch(rig, wallet, asked.pace.seconds)
        if asked.names & PACED:
            figures.extend(measure_paced(rig, wallet, asked.rates, _say))
        figures.extend(_measure_clients(asked, rig, wallet))

    if asked.names & ISSUING:
        issued = measure_issuance(folder, ground, asked.sizes, _say, measure)
        if "issuance" in asked.names:
            figures += issuance_figures(issued, ground.bare)
        if "memory" in asked.names:
            figures += memory_figures(issued, asked.sizes)
    else:
        with running_vault(folder / "vault", ground) as rig:
            measure(rig, asyncio.run(_prepare(rig, folder)))
    if "connections" in asked.names and ground.watch is not None:
        figures.append(connections_figure(ground.watch, processes[-1]))
    return figures


def _measure_clients(asked: Asked, rig: Rig, wallet: Wallet) -> list[Figure]:
    """Measure what clients do beyond a call for each code in clear."""
    figures: list[Figure] = []
    if "coalesce" in asked.names:
        figures += coalesce_figures(measure_coalesce(rig, wallet, asked.pace, _say))
    if "sealed" in asked.names:
        figures += sealed_figures(measure_sealed(rig, wallet, asked.pace, asked.load, _say))
    if "overload" in asked.names:
        figures += measure_overload(rig, wallet, asked.pace, _say)
    return figures


async def _prepare(rig: Rig, folder: Path) -> Wallet:
    await set_up_program(rig)
    await issue_batch(rig, CARDS_WITHOUT_ISSUANCE)
    return await fill_wallet(rig, folder, CODES)


def main() -> int:
    """Measure, and show the figures."""
    parsed = _arguments()
    try:
        with ground_of(parsed.store) as ground:
            figures = _measure(_asked(parsed), ground)
    except (WrongAnswer, RuntimeError, VaultError, psycopg.Error, subprocess.SubprocessError) as error:
        _say(f"the bench could not be finished: {error}")
        return 1
    if parsed.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=2))
    else:
        show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
