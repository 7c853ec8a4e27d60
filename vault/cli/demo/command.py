"""``cardvault demo``: the whole of it, step by step, and what it came to."""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vault.cli.demo import incident, incident_summary
from vault.cli.demo.atrest import copy_write_ahead_log, search_places
from vault.cli.demo.place import Place
from vault.cli.demo.plan import CARDS_OF_2006, SMALLEST
from vault.cli.demo.processes import Outcome, VaultProcess, last_lines, migrate, run_step
from vault.cli.demo.search import Report
from vault.cli.demo.steps import STEPS
from vault.cli.demo.summary import as_json, show, show_how_to_call
from vault.cli.development import set_address, set_up, write_profiles
from vault.cli.failure import EXIT_DONE, EXIT_FAILED, UsageProblem, complain
from vault.cli.progress import progress_bar
from vault.client.recipient import create_key_file

KEPT_FOLDER = Path("demo-data")
ANY_PORT = "127.0.0.1:0"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--cards", type=int, default=CARDS_OF_2006, metavar="N", help="cards in all (81105)")
    parser.add_argument(
        "--incident",
        action="store_true",
        help="play 2006 as it should have gone: leak, freeze, re-issue, exchange, report",
    )
    parser.add_argument(
        "--kill",
        action="store_true",
        help="with --incident: play it again over the same data, killing the job process at random points",
    )
    parser.add_argument(
        "--postgres",
        action="append",
        default=[],
        metavar="DSN",
        help="with --incident: play it in this PostgreSQL database, which is empty; with --kill give two",
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help=f"keep ./{KEPT_FOLDER}, leave the vault running and say how to call it",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object to standard output")
    parser.add_argument("--plant", action="store_true", help=argparse.SUPPRESS)  # proves that what is wrong is found
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.cards < SMALLEST:
        message = f"--cards is at least {SMALLEST}"
        raise UsageProblem(message)
    if (parsed.kill or parsed.postgres) and not parsed.incident:
        message = "--kill and --postgres go with --incident"
        raise UsageProblem(message)
    if parsed.postgres and len(parsed.postgres) != 1 + parsed.kill:
        message = "--postgres takes one database for each run: with --kill two, else one"
        raise UsageProblem(message)
    started = time.monotonic()
    with _folder(keep=parsed.keep) as folder:
        problems = _incident(folder, parsed, started) if parsed.incident else _main_job(folder, parsed, started)
        for problem in problems:
            complain(problem)
        if parsed.keep:
            kept = (folder / "second", folder / "first", folder)
            place = next(place for place in map(Place, kept) if place.configuration.exists())
            vault = VaultProcess(place)
            show_how_to_call(place, vault.address, vault.pid)
    return EXIT_FAILED if problems else EXIT_DONE


def _main_job(folder: Path, parsed: argparse.Namespace, started: float) -> list[str]:
    place = Place(folder)
    place.make()
    outcomes, problems = _play(place, parsed)
    report = search_places([place], plant=parsed.plant, quiet=parsed.json)
    problems += _found(report)
    say = as_json if parsed.json else show
    say(parsed.cards, outcomes, report, problems, time.monotonic() - started)
    return problems


def _incident(folder: Path, parsed: argparse.Namespace, started: float) -> list[str]:
    scale = incident.Scale(
        parsed.cards, kill=parsed.kill, plant=parsed.plant, quiet=parsed.json, databases=tuple(parsed.postgres)
    )
    runs = incident.play(folder, scale)
    report = search_places([run.place for run in runs], plant=parsed.plant, quiet=parsed.json)
    problems = [problem for run in runs for problem in run.problems] + _found(report)
    say = incident_summary.as_json if parsed.json else incident_summary.show
    say(runs, parsed.cards, report, problems, time.monotonic() - started)
    return problems


def _found(report: Report) -> list[str]:
    return [f"{report.codes_found} codes stand in what the vault wrote"] if report.codes_found else []


def _play(place: Place, parsed: argparse.Namespace) -> tuple[dict[str, Outcome], list[str]]:
    """Run a vault and every step; answer what each came to, and every expectation that did not hold."""
    set_up(place.vault, address=ANY_PORT, programs={"shop": "netcash"})
    create_key_file(place.house_key)
    migrate(place)
    outcomes: dict[str, Outcome] = {}
    problems: list[str] = []
    vault = VaultProcess(place)
    try:
        write_profiles(place.vault, vault.address)
        for step in STEPS:
            with progress_bar(step.title, quiet=parsed.json) as report:
                outcome = outcomes[step.name] = run_step(place, parsed.cards, step.name, report)
            problems += [f"{step.title}: {problem}" for problem in outcome.problems]
            if not outcome.result:
                complain(f"the end of the vault's log:\n{last_lines(place.log)}")
                break
        copy_write_ahead_log(place)
    finally:
        status = vault.stop()
    if status:
        problems.append(f"the vault ended with status {status}")
    set_address(place.configuration, vault.address)
    return outcomes, problems


@contextmanager
def _folder(*, keep: bool) -> Iterator[Path]:
    """Answer the demo's folder, and remove it at the end unless it is to be kept."""
    if keep:
        if KEPT_FOLDER.exists():
            message = f"./{KEPT_FOLDER} exists: stop the vault that runs on it and delete it"
            raise UsageProblem(message)
        yield KEPT_FOLDER.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="cardvault-demo-") as folder:
        yield Path(folder)
