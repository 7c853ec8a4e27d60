"""``cardvault check-config``: say whether a vault could start from its configuration."""

import argparse
from pathlib import Path

from vault import config, wiring
from vault.cli.failure import EXIT_DONE, EXIT_FAILED
from vault.cli.output import table
from vault.cli.serve import CONFIGURATION


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--config",
        type=Path,
        default=CONFIGURATION,
        metavar="FILE",
        help="the configuration (default: vault.toml)",
    )
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    results = wiring.check(config.load(parsed.config))
    table(["checked", "result"], [[what, problem or "ok"] for what, problem in results])
    return EXIT_FAILED if any(problem for _, problem in results) else EXIT_DONE
