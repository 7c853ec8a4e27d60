"""``cardvault keys``: versions of keys, the vault's public keys, copies of the root key.

The actions are in three modules: ``keys_versions`` speaks to a vault, ``keys_public`` verifies without one,
``keys_copy`` works on the vault's own machine.
"""

import argparse

from vault.cli.connection import Actions
from vault.cli.keys_copy import add_copies
from vault.cli.keys_public import add_public_keys
from vault.cli.keys_versions import add_versions


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    add_versions(actions)
    add_public_keys(actions)
    add_copies(actions)
