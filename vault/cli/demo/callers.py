"""The callers of the incident's story beyond those of a vault for development: the leaking one, and the shops.

Each has a certificate of its own, so that cutting one off leaves the others alone.
"""

from collections.abc import Mapping
from pathlib import Path

from vault.cli.certificates import load_authority
from vault.cli.demo.stage import CONTRACTOR, NETCASH, SHOPS
from vault.cli.development import write_profiles

ROLES: Mapping[str, tuple[str, ...]] = {CONTRACTOR: ("issuer", "revealer")} | dict.fromkeys(SHOPS, ("validator",))


def principal(name: str) -> str:
    """Answer who a caller is to the vault."""
    return f"spiffe://cardvault.dev/{name}"


def add_callers(folder: Path) -> None:
    """Give the story's callers certificates, and roles in the access file of a vault's folder."""
    authority = load_authority(folder / "certificates")
    with (folder / "access.toml").open("a", encoding="utf-8") as access:
        for name, roles in ROLES.items():
            authority.issue_caller(folder / "certificates", name, principal(name))
            named = ", ".join(f'"{role}"' for role in roles)
            access.write(f'\n[[principal]]\nname = "{principal(name)}"\nroles = {{ "{NETCASH}" = [{named}] }}\n')


def write_callers_profiles(folder: Path, address: str) -> None:
    """Write how every caller reaches a vault that listens on this address."""
    write_profiles(folder, address)
    write_profiles(folder, address, ROLES)
