"""``cardvault incident``: what leaked, stopping it, measuring it, making it good.

The actions are in six modules: ``incident_case`` opens, shows and closes incidents, ``incident_selection``
chooses their cards, ``incident_hold`` freezes and thaws, ``incident_exchange`` lets holders trade old codes for
new ones, ``incident_block`` cuts principals off, ``incident_report`` writes and verifies reports.
"""

import argparse

from vault.cli.connection import Actions
from vault.cli.incident_block import add_blocks
from vault.cli.incident_case import add_cases
from vault.cli.incident_exchange import add_exchange
from vault.cli.incident_hold import add_holds
from vault.cli.incident_report import add_reports
from vault.cli.incident_selection import add_selections


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    parser.description = "Stop, measure and make good what leaked. Nothing is changed without --apply."
    actions = Actions(parser)
    add_cases(actions)
    add_selections(actions)
    add_holds(actions)
    add_exchange(actions)
    add_blocks(actions)
    add_reports(actions)
