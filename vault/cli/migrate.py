"""``cardvault migrate``: make or migrate the store that the configuration names."""

import argparse
from pathlib import Path

from vault import config, wiring
from vault.cli.failure import EXIT_DONE
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
    done = wiring.migrate(config.load(parsed.config))
    for line in done:
        print(line)
    if not done:
        print("nothing to do: the store is that of this release")
    return EXIT_DONE
