"""What a run found, for programs and for people."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from vault.contract.runner import Result


class Tally(NamedTuple):
    """Counts of one method's cases."""

    method: str
    passed: int
    failed: int
    skipped: int


def tallies(results: Iterable[Result]) -> list[Tally]:
    """Return the counts of each method, in the order of the run."""
    return [_tally(method, list(group)) for method, group in groupby(results, key=lambda result: result.case.method)]


def failures(results: Iterable[Result]) -> list[Result]:
    """Return the results that are not as expected."""
    return [result for result in results if result.problems]


def plain(address: str, results: Sequence[Result], seconds: float) -> dict[str, Any]:
    """Return a run as JSON: counts, and each case that failed or was left out."""
    counts = _tally("", results)
    return {
        "address": address,
        "seconds": round(seconds, 1),
        "passed": counts.passed,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "methods": [tally._asdict() for tally in tallies(results)],
        "failures": [
            {"method": result.case.method, **result.case.plain(), "problems": list(result.problems)}
            for result in failures(results)
        ],
        "left_out": [
            {"method": result.case.method, "name": result.case.name, "why": result.skipped}
            for result in results
            if result.skipped
        ],
    }


def _tally(method: str, results: Sequence[Result]) -> Tally:
    failed = sum(bool(result.problems) for result in results)
    skipped = sum(bool(result.skipped) for result in results)
    return Tally(method, len(results) - failed - skipped, failed, skipped)
