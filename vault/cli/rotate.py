"""``cardvault rotate``: new codes for cards, new keys for stored rows, by jobs that go on by themselves.

The actions are in four modules: ``rotate_reissue`` gives cards new codes, ``rotate_keys`` moves rows to new
keys, ``rotate_jobs`` looks after jobs, ``rotate_package`` hands the new codes out.
"""

import argparse

from vault.cli.connection import Actions
from vault.cli.rotate_jobs import add_jobs
from vault.cli.rotate_keys import add_key_moves
from vault.cli.rotate_package import add_packages
from vault.cli.rotate_reissue import add_reissues


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    parser.description = (
        "Give cards new codes, or move stored rows to new keys. Nothing is changed without --apply. A job goes on "
        "by itself: Ctrl-C only stops watching it."
    )
    actions = Actions(parser)
    add_reissues(actions)
    add_key_moves(actions)
    add_jobs(actions)
    add_packages(actions)
