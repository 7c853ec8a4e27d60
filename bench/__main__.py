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
from collections.abc import Callable
from pathlib import Path

from bench.calls import Pace, measure_calls
from bench.cards import Wallet, fill_wallet, issue_batch, set_up_program
from bench.clients import WrongAnswer
from bench.figure import Figure
from bench.issuance import CODES, Sizes, issuance_figures, measure_issuance, memory_figures
from bench.report import show
from bench.rig import Rig, running_vault
from vault.errors import VaultError

CALLS = frozenset({"validate", "batch"})
ISSUING = frozenset({"issuance", "memory"})
FULL_PACE, QUICK_PACE = Pace(5, 1.5, 6.0), Pace(1, 1.0, 2.0)
FULL_SIZES, QUICK_SIZES = Sizes(10_000, 1_000_000, 3), Sizes(1_000, 10_000, 1)
CARDS_WITHOUT_ISSUANCE = 10_000
TEMPORARY = "cardvault-bench-"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures a vault beside its yardsticks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(sorted(CALLS | ISSUING)) + " (all)")
    parser.add_argument("--json", action="store_true", help="write a list of figures as JSON to standard output")
    parser.add_argument("--quick", action="store_true", help="10,000 cards and one short run each, for a look")
    parsed = parser.parse_args()
    strangers = set(parsed.names) - CALLS - ISSUING
    if strangers:
        parser.error(f"there is no figure {min(strangers)}")
    return parsed


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measure(asked: frozenset[str], *, quick: bool) -> list[Figure]:
    pace, sizes = (QUICK_PACE, QUICK_SIZES) if quick else (FULL_PACE, FULL_SIZES)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix=TEMPORARY) as name:
        folder = Path(name)
        measure = _calls(pace, asked, figures)
        if not asked & ISSUING:
            with running_vault(folder / "vault") as rig:
                measure(rig, asyncio.run(_prepare(rig, folder)))
            return figures
        issued = measure_issuance(folder, sizes, _say, measure)
    if "issuance" in asked:
        figures += issuance_figures(issued)
    if "memory" in asked:
        figures += memory_figures(issued, sizes)
    return figures


def _calls(pace: Pace, asked: frozenset[str], figures: list[Figure]) -> Callable[[Rig, Wallet], None]:
    """Return what measures calls of a vault, if any are asked for."""

    def measure(rig: Rig, wallet: Wallet) -> None:
        if asked & CALLS:
            figures.extend(measure_calls(rig, wallet, pace, asked, _say))

    return measure


async def _prepare(rig: Rig, folder: Path) -> Wallet:
    await set_up_program(rig)
    await issue_batch(rig, CARDS_WITHOUT_ISSUANCE)
    return await fill_wallet(rig, folder, CODES)


def main() -> int:
    """Measure, and show the figures."""
    parsed = _arguments()
    asked = frozenset(parsed.names) or CALLS | ISSUING
    try:
        figures = _measure(asked, quick=parsed.quick)
    except (WrongAnswer, RuntimeError, VaultError, subprocess.SubprocessError) as error:
        _say(f"the bench could not be finished: {error}")
        return 1
    if parsed.json:
        print(json.dumps([figure.as_json() for figure in figures], indent=2))
    else:
        show(figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
