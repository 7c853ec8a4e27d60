"""``cardvault contract``: tries a running vault against its protos, or writes the cases for other languages."""

import argparse
import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vault.cli.failure import EXIT_DONE, EXIT_FAILED, UsageProblem, complain
from vault.cli.output import Output, table
from vault.cli.progress import progress_bar

if TYPE_CHECKING:
    from vault.contract.runner import Result

_MOST_SHOWN = 50


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Try a running vault against its protos: who may call each method, what each field may hold, bad bytes, page "
        "tokens, deadlines. Nothing takes effect, unless --program names a program for it. The exit status is 1 where "
        "an answer is not as expected."
    )
    parser.add_argument("server", nargs="?", metavar="HOST:PORT", help="where the vault listens")
    parser.add_argument("--callers", type=Path, metavar="FOLDER", help="certificates: see `cardvault dev callers`")
    parser.add_argument(
        "--program",
        default="",
        help="a program to be used up: cases that may take effect run in it, and may stop it; the callers must hold "
        "their roles for it",
    )
    parser.add_argument("--method", default="", metavar="TEXT", help="only methods whose name has this in it")
    parser.add_argument("--server-name", default="", metavar="NAME", help="DNS name to expect in its certificate")
    parser.add_argument("--json", action="store_true", help="write one JSON value to standard output")
    parser.add_argument(
        "--write-cases", type=Path, metavar="FILE", help="write the cases for other languages, and no more"
    )
    parser.add_argument(
        "--check-cases", type=Path, metavar="FILE", help="say whether such a file is what the protos give"
    )
    parser.add_argument(
        "--write-descriptors",
        type=Path,
        metavar="FILE",
        help="write the messages' types, a FileDescriptorSet, and no more",
    )
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.write_cases or parsed.check_cases or parsed.write_descriptors:
        return _files(parsed)
    if not parsed.server or not parsed.callers:
        message = "give HOST:PORT and --callers FOLDER, or --write-cases FILE"
        raise UsageProblem(message)
    begun = time.monotonic()
    results = asyncio.run(_tried(parsed))
    return _show(parsed, results, time.monotonic() - begun)


def _files(parsed: argparse.Namespace) -> int:
    from vault.contract.descriptors import descriptor_set  # noqa: PLC0415  the protos take a while to import
    from vault.contract.suite import document  # noqa: PLC0415  the same

    text = document()
    if parsed.write_cases:
        parsed.write_cases.write_text(text, encoding="utf-8")
    if parsed.write_descriptors:
        parsed.write_descriptors.write_bytes(descriptor_set())
    if not parsed.check_cases or parsed.check_cases.read_text(encoding="utf-8") == text:
        return EXIT_DONE
    complain(f"{parsed.check_cases} is not what the protos give: write it with --write-cases")
    return EXIT_FAILED


async def _tried(parsed: argparse.Namespace) -> "list[Result]":
    from vault.contract.callers import load_callers  # noqa: PLC0415  grpc takes a while to import
    from vault.contract.requests import FIXED_PROGRAM  # noqa: PLC0415  the same
    from vault.contract.runner import Runner  # noqa: PLC0415  the same
    from vault.contract.sending import Sender  # noqa: PLC0415  the same
    from vault.contract.suite import all_cases  # noqa: PLC0415  the same

    cases = [case for case in all_cases() if parsed.method in case.method]
    if not cases:
        message = f"no method has {parsed.method!r} in its name"
        raise UsageProblem(message)
    callers = load_callers(parsed.callers)
    async with Sender(parsed.server, callers, parsed.server_name) as sender:
        with progress_bar("cases", quiet=parsed.json) as report:
            runner = Runner(sender, program=parsed.program or FIXED_PROGRAM)
            return await runner.run(cases, effects=bool(parsed.program), report=report)


def _show(parsed: argparse.Namespace, results: "list[Result]", seconds: float) -> int:
    from vault.contract import report  # noqa: PLC0415  as above

    told = report.plain(parsed.server, results, seconds)
    if parsed.json:
        Output(as_json=True).value(told)
    else:
        titles = ("method", "passed", "failed", "left out")
        rows = [(tally.method, *map(str, tally[1:])) for tally in report.tallies(results)]
        table(titles, [*rows, ("all", str(told["passed"]), str(told["failed"]), str(told["skipped"]))])
        failed = report.failures(results)
        for result in failed[:_MOST_SHOWN]:
            print(f"FAILED {result.case.method}, {result.case.name}: {'; '.join(result.problems)}")
        if len(failed) > _MOST_SHOWN:
            print(f"and {len(failed) - _MOST_SHOWN} more; --json tells all")
        for why in sorted({entry["why"] for entry in told["left_out"]}):
            print(f"left out: {why}")
        print(f"{len(results):,} cases in {seconds:.1f} s")
    return EXIT_FAILED if told["failed"] else EXIT_DONE
