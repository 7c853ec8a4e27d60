"""What the demo came to: a table for people, one JSON object for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from vault.cli.demo.place import Place
from vault.cli.demo.plan import plan
from vault.cli.demo.processes import Outcome
from vault.cli.demo.search import Report
from vault.cli.demo.steps import STEPS
from vault.cli.output import table

VALIDATING = ("validate", "validate-all")
WRONG = (*VALIDATING, "try")
RATED = 100  # fewer in a step say nothing of speed
SHOWN_FINDINGS = 10


def as_json(
    cards: int, outcomes: Mapping[str, Outcome], report: Report, problems: Sequence[str], seconds: float
) -> None:
    """Write one JSON object to standard output."""
    counted = outcomes["count"].result if "count" in outcomes else {}
    print(
        json.dumps(
            {
                "cards": cards,
                "by_kind": plan(cards)._asdict(),
                "by_state": counted.get("by_state", {}),
                "by_usage": counted.get("by_usage", {}),
                "validated": _total(outcomes, VALIDATING, "count"),
                "wrong_answers": _total(outcomes, WRONG, "wrong"),
                "codes_searched_for": report.codes,
                "codes_found": report.codes_found,
                "files_searched": report.files,
                "bytes_searched": report.searched_bytes,
                "steps": [
                    {
                        "step": name,
                        "count": outcome.result.get("count", 0),
                        "seconds": round(outcome.seconds, 3),
                    }
                    for name, outcome in outcomes.items()
                ],
                "problems": list(problems),
                "seconds": round(seconds, 3),
            }
        )
    )


def show(cards: int, outcomes: Mapping[str, Outcome], report: Report, problems: Sequence[str], seconds: float) -> None:
    """Write the table of counts and rates, and what the search found, to standard output."""
    rows = []
    for step in STEPS:
        if outcome := outcomes.get(step.name):
            count = outcome.result.get("count", 0)
            rate = f"{count / outcome.seconds:,.0f}/s" if count >= RATED and outcome.seconds else ""
            rows.append([step.title, f"{count:,} {step.unit}", f"{outcome.seconds:.1f} s", rate])
    table(["step", "count", "time", "rate"], rows)
    kinds = plan(cards)._asdict()
    print("cards: " + ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in kinds.items()))
    print(f"validated: {_total(outcomes, VALIDATING, 'count'):,}; wrong answers: {_total(outcomes, WRONG, 'wrong')}")
    show_report(report, problems, seconds)


def show_report(report: Report, problems: Sequence[str], seconds: float) -> None:
    """Write what the search found, and whether every expectation held, to standard output."""
    print(
        f"searched {report.files} files, {report.searched_bytes:,} bytes, for {report.codes:,} codes in every form; "
        f"codes found: {report.codes_found}"
    )
    for finding in report.findings[:SHOWN_FINDINGS]:
        print(f"  code number {finding.code_number} as {finding.form} in {finding.path.name}")
    print(
        f"{'every expectation held' if not problems else f'{len(problems)} expectations did not hold'}; {seconds:.1f} s"
    )


def show_how_to_call(place: Place, address: str, pid: int) -> None:
    """Say, on standard error, how to call the vault that is left running, and how to end it."""
    profile = place.profile("keeper")
    print(
        f"""
The vault goes on at {address}. Call it:
  cardvault card list netcash --state active --limit 5 --profile {profile}
  cardvault card validate netcash --profile {place.profile("shop")}
  cardvault audit list --program netcash --limit 5 --profile {place.profile("auditor")}
The codes are in {place.folder / "wallets"}. Stop it: kill {pid}; then delete {place.folder}.""",
        file=sys.stderr,
    )


def _total(outcomes: Mapping[str, Outcome], names: Sequence[str], key: str) -> int:
    results: list[dict[str, Any]] = [outcomes[name].result for name in names if name in outcomes]
    return sum(int(result.get(key, 0)) for result in results)
