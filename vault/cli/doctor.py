"""``cardvault doctor``: look at everything that a vault needs, and say of each what is right or what to do.

It changes nothing, and may be run beside a vault that serves, as its user.
"""

import argparse
from pathlib import Path

from vault import config, wiring
from vault.cli.failure import EXIT_DONE, EXIT_FAILED
from vault.cli.output import Output, table
from vault.cli.serve import CONFIGURATION
from vault.errors import InvalidInput
from vault.wiring.finding import Finding, Mark, refused


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_arguments(parser)
    parser.set_defaults(run=lambda parsed: report(parsed, thoroughly=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command and of ``check-config``."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGURATION,
        metavar="FILE",
        help="the configuration (default: vault.toml)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON value to standard output")


def report(parsed: argparse.Namespace, *, thoroughly: bool) -> int:
    """Examine, write what was found, and answer the exit status: 1 if there is a problem."""
    found = _examined(parsed.config, thoroughly=thoroughly)
    if parsed.json:
        Output(as_json=True).value([each._asdict() for each in found])
    else:
        table(["checked", "", "seen", "to do"], [[each.what, each.mark, each.seen, each.to_do] for each in found])
    return EXIT_FAILED if any(each.mark is Mark.PROBLEM for each in found) else EXIT_DONE


def _examined(path: Path, *, thoroughly: bool) -> list[Finding]:
    try:
        settings = config.load(path)
    except InvalidInput as error:
        return [refused("configuration", error)]
    read = Finding("configuration", Mark.OK, f"every setting of {settings.path} is known and in its range")
    return [read, *wiring.examine(settings, thoroughly=thoroughly)]
