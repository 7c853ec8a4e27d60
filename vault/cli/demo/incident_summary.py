"""What the incident's story came to: a timeline for people, one JSON object for programs."""

import json
from collections.abc import Sequence
from typing import Any

from vault.cli.demo import moments as when
from vault.cli.demo.incident import Run
from vault.cli.demo.latency import percentile_ms
from vault.cli.demo.plan import plan
from vault.cli.demo.search import Report
from vault.cli.demo.stage import SHOPS
from vault.cli.demo.summary import show_report
from vault.cli.output import table

ANSWERING = (*SHOPS, "thieves", "exchange", "contest", "validate-renewed")
WINDOWS = ("idle", "during", "after")


def figures(run: Run) -> dict[str, Any]:
    """Answer one run in numbers; seconds and milliseconds as their names say, None for what was not reached."""
    moments = run.place.moments.read()
    results = {each.step.name: each.outcome.result for each in run.ended}
    seen: list[float | None] = [results[name].get("first_refusal_seconds") for name in SHOPS if name in results]
    refused = [seconds for seconds in seen if seconds is not None]
    told: dict[str, Any] = {
        "answers": sum(int(results[name].get("count", 0)) for name in ANSWERING if name in results),
        "wrong_answers": sum(int(results[name].get("wrong", 0)) for name in ANSWERING if name in results),
        "missed_answers": sum(int(results[name].get("missed", 0)) for name in SHOPS if name in results),
        "reissued": results.get("reissue", {}).get("count", 0),
        "exchanged": results.get("exchange", {}).get("count", 0),
        "balances": results.get("ledger", {}).get("count", 0),
        "balances_changed": results.get("ledger", {}).get("changed"),
        "state_sha256": results.get("ledger", {}).get("state_sha256"),
        "superseded_uses": results.get("verify", {}).get("superseded_uses"),
        "freeze_seconds": _between(moments, when.FREEZING, when.FROZEN),
        "freeze_seen_seconds": round(max(refused), 4) if len(refused) == len(SHOPS) else None,
        "reissue_seconds": _between(moments, when.REISSUING, when.REISSUED),
        "kills": run.kills,
    }
    waits = [run.place.read_paper(f"{name}-waits") for name in SHOPS if name in results]
    for window in WINDOWS:
        together = [wait for each in waits for wait in each[window]]
        told[f"calls_{window}"] = len(together)
        told[f"p50_{window}_ms"] = percentile_ms(together, 0.50)
        told[f"p99_{window}_ms"] = percentile_ms(together, 0.99)
    return told


def as_json(runs: Sequence[Run], cards: int, report: Report, problems: Sequence[str], seconds: float) -> None:
    """Write one JSON object to standard output: the first run's figures, and every run's under ``runs``."""
    every = [figures(run) for run in runs]
    told = every[0] | {
        "cards": cards,
        "by_kind": plan(cards)._asdict(),
        "wrong_answers": sum(run["wrong_answers"] for run in every),
        "runs": [told | {"steps": _steps(run)} for told, run in zip(every, runs, strict=True)],
        "codes_searched_for": report.codes,
        "codes_found": report.codes_found,
        "bytes_searched": report.searched_bytes,
        "problems": list(problems),
        "seconds": round(seconds, 3),
    }
    print(json.dumps(told))


def show(runs: Sequence[Run], cards: int, report: Report, problems: Sequence[str], seconds: float) -> None:
    """Write the timeline of each run, how long the shops waited, and what was wrong, to standard output."""
    for number, run in enumerate(runs, 1):
        if len(runs) > 1:
            print(f"\nrun {number}" + (", the job process killed at random points" if run.kills else ""))
        _show_run(run)
    kinds = plan(cards)._asdict()
    print("\ncards: " + ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in kinds.items()))
    if len(runs) > 1:
        states = {figures(run)["state_sha256"] for run in runs}
        print(f"both runs ended in {'the same state' if len(states) == 1 else 'different states'}")
    show_report(report, problems, seconds)


def _show_run(run: Run) -> None:
    rows = []
    begun = run.ended[0].at if run.ended else 0.0
    before = begun
    for each in run.ended:
        count = each.outcome.result.get("count")
        what = "" if count is None else f"{count:,} {each.step.unit}"
        took = f"{each.outcome.seconds:.2f} s"
        rows.append([f"+{each.at - before:.1f} s", f"{each.at - begun:.1f} s", each.step.title, what, took])
        before = each.at
    table(["since last", "at", "step", "count", "work"], rows)
    told = figures(run)
    rows = [
        [name, f"{told[f'calls_{window}']:,}", *(_ms(told[f"{rank}_{window}_ms"]) for rank in ("p50", "p99"))]
        for name, window in (("before", "idle"), ("during the re-issue", "during"), ("after the thaw", "after"))
    ]
    print()
    table(["shops' waits", "answers", "p50", "p99"], rows)
    print(
        f"frozen in {_seconds(told['freeze_seconds'])}, every shop refused within "
        f"{_seconds(told['freeze_seen_seconds'])}; {told['reissued']:,} codes re-issued in "
        f"{_seconds(told['reissue_seconds'])}"
    )
    if run.kills:
        points = ", ".join(f"{done:,}" for done in run.kills)
        print(f"job process killed {len(run.kills)} times, at points drawn without a seed: {points} cards done")
    print(f"{told['balances']:,} balances, {told['balances_changed']} changed; {told['exchanged']:,} codes exchanged")
    print(f"answers: {told['answers']:,}; wrong: {told['wrong_answers']}; missed: {told['missed_answers']}")


def _steps(run: Run) -> list[dict[str, Any]]:
    begun = run.ended[0].at if run.ended else 0.0
    return [
        {
            "step": each.step.name,
            "count": each.outcome.result.get("count", 0),
            "seconds": round(each.outcome.seconds, 3),
            "at": round(each.at - begun, 3),
        }
        for each in run.ended
    ]


def _between(moments: Any, begins: str, ends: str) -> float | None:
    return round(moments[ends] - moments[begins], 4) if begins in moments and ends in moments else None


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
