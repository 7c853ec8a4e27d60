"""``cardvault card``: issue, sell, look after and validate cards.

The actions are in three modules by what they touch: ``card_changes`` the cards, ``card_codes`` their codes,
``card_records`` their records.
"""

import argparse

from vault.cli.card_changes import add_changes
from vault.cli.card_codes import add_codes
from vault.cli.card_listing import add_listing
from vault.cli.card_records import add_records
from vault.cli.connection import Actions


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    add_listing(actions)
    add_changes(actions)
    add_codes(actions)
    add_records(actions)
