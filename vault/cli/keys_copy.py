"""``cardvault keys confirm-copy``: showing the vault that a copy of its root key's file is the right one."""

import argparse
from pathlib import Path

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Output


def add_copies(actions: Actions) -> None:
    """Add the action."""
    confirm = actions.add_local("confirm-copy", "show a copy of the root key's file, and have that noted")
    confirm.description = (
        "Read a copy of the root key's file, check that it opens every key of this vault, and note that it does. "
        "Nothing of the key is shown or kept. The copy must be readable by you alone (mode 0600)."
    )
    confirm.add_argument(
        "--config", type=Path, default=Path("vault.toml"), metavar="FILE", help="the configuration (vault.toml)"
    )
    confirm.add_argument("copy", type=Path, metavar="COPY", help="the copy, brought from where it is kept")
    confirm.add_argument("--json", action="store_true", help="write one JSON value to standard output")
    confirm.set_defaults(run=_confirm)


def _confirm(parsed: argparse.Namespace) -> int:
    # Absent from a plain install, which has the other actions.
    from vault import config  # noqa: PLC0415
    from vault.wiring.backup import confirm_copy  # noqa: PLC0415

    versions = confirm_copy(config.load(parsed.config), parsed.copy)
    if parsed.json:
        Output(as_json=True).value({"confirmed_root_versions": versions})
    else:
        print(f"The copy opens this vault's keys; noted for root key version {', '.join(map(str, versions))}.")
        print("Now take it back to where it is kept, apart from the backups.")
    return EXIT_DONE
