"""Asking the person at the terminal: for a confirmation, for codes."""

import argparse
import getpass
import sys

from vault.cli.failure import UsageProblem


def add_confirmation(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes`` to a command that cannot be undone."""
    parser.add_argument("--yes", action="store_true", help="do not ask whether it is meant")


def confirm(parsed: argparse.Namespace, question: str) -> None:
    """Ask whether something that cannot be undone is meant; ``--yes`` and ``--dry-run`` answer it.

    Raises:
        UsageProblem: It is not meant, or nobody is there to ask.
    """
    if parsed.yes or getattr(parsed, "dry_run", False):
        return
    if not sys.stdin.isatty():
        message = f"{question} Nobody is there to ask: add --yes if it is meant"
        raise UsageProblem(message)
    print(f"{question} Type yes: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() != "yes":
        message = "not confirmed, nothing was done"
        raise UsageProblem(message)


def read_codes() -> list[str]:
    """Read codes, one a line: from the terminal without echo until an empty line, else from standard input.

    Raises:
        UsageProblem: There was none.
    """
    codes = []
    if sys.stdin.isatty():
        while code := getpass.getpass("code (not shown; empty line ends): ").strip():
            codes.append(code)
    else:
        codes = [line.strip() for line in sys.stdin if line.strip()]
    if not codes:
        message = "no code was given"
        raise UsageProblem(message)
    return codes


def read_code() -> str:
    """Read one code: from the terminal without echo, else the first line of standard input.

    Raises:
        UsageProblem: There was none.
    """
    code = getpass.getpass("code (not shown): ") if sys.stdin.isatty() else sys.stdin.readline()
    if not code.strip():
        message = "no code was given"
        raise UsageProblem(message)
    return code.strip()
