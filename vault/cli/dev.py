"""``cardvault dev certificates``: certificates for development."""

import argparse
from pathlib import Path

from vault.cli.certificates import create_all, load_authority
from vault.cli.connection import Actions
from vault.cli.development import CALLERS
from vault.cli.failure import EXIT_DONE


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action."""
    certificates = Actions(parser).add_local("certificates", "make an authority, a server's and callers' certificates")
    certificates.add_argument("folder", type=Path, help="where they go; with an authority in it, only --name is added")
    certificates.add_argument(
        "--name",
        dest="principals",
        action="append",
        metavar="SPIFFE-ID",
        help="a caller, such as spiffe://cardvault.dev/shop; its file is named by the last part "
        "(default: one caller for each role)",
    )
    certificates.set_defaults(run=_certificates)


def _certificates(parsed: argparse.Namespace) -> int:
    folder: Path = parsed.folder
    callers = dict(CALLERS)
    if parsed.principals:
        callers = {principal.rpartition("/")[2]: principal for principal in parsed.principals}
    if (folder / "ca.key").exists():
        authority = load_authority(folder)
        for name, principal in callers.items():
            authority.issue_caller(folder, name, principal)
    else:
        create_all(folder, callers)
    for name in callers:
        print(folder / f"{name}.pem")
    return EXIT_DONE
