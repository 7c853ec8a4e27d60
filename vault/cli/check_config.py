"""``cardvault check-config``: say whether a vault could start from its configuration."""

import argparse

from vault.cli import doctor


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    doctor.add_arguments(parser)
    parser.set_defaults(run=lambda parsed: doctor.report(parsed, thoroughly=False))
