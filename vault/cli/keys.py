"""``cardvault keys``: look after the root key."""

import argparse
from pathlib import Path

from vault import config
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Output
from vault.cli.stages import add_config, add_json
from vault.wiring.backup import confirm_copy


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    confirm = Actions(parser).add_local("confirm-copy", "show a copy of the root key's file, and have that noted")
    confirm.description = (
        "Read a copy of the root key's file, check that it opens every key of this vault, and note that it does. "
        "Nothing of the key is shown or kept. The copy must be readable by you alone (mode 0600)."
    )
    add_config(confirm)
    confirm.add_argument("copy", type=Path, metavar="COPY", help="the copy, brought from where it is kept")
    add_json(confirm)
    confirm.set_defaults(run=_confirm)


def _confirm(parsed: argparse.Namespace) -> int:
    versions = confirm_copy(config.load(parsed.config), parsed.copy)
    if parsed.json:
        Output(as_json=True).value({"confirmed_root_versions": versions})
    else:
        print(f"The copy opens this vault's keys; noted for root key version {', '.join(map(str, versions))}.")
        print("Now take it back to where it is kept, apart from the backups.")
    return EXIT_DONE
