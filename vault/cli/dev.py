"""``cardvault dev``: certificates for development, and the callers that ``cardvault contract`` needs."""

import argparse
from pathlib import Path

from vault.cli.certificates import create_all, load_authority
from vault.cli.connection import Actions
from vault.cli.development import CALLERS
from vault.cli.failure import EXIT_DONE


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = Actions(parser)
    certificates = actions.add_local("certificates", "make an authority, a server's and callers' certificates")
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
    callers = actions.add_local("callers", "make the folder of callers that `cardvault contract` runs with")
    callers.add_argument("folder", type=Path, help="where they go; a new folder")
    callers.add_argument(
        "--authority",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the development authority of the vault's clients",
    )
    callers.add_argument(
        "--program",
        default="",
        metavar="NAME",
        help="the program for which they hold their roles; one that is not there if not given",
    )
    callers.set_defaults(run=_callers)


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


def _callers(parsed: argparse.Namespace) -> int:
    from vault.cli.contract_callers import make_callers  # noqa: PLC0415  the protos take a while to import
    from vault.contract.requests import FIXED_PROGRAM  # noqa: PLC0415  the same

    make_callers(parsed.folder, parsed.authority, parsed.program or FIXED_PROGRAM)
    print(f"{parsed.folder / 'access.toml'}: add these entries to the vault's access file")
    return EXIT_DONE
