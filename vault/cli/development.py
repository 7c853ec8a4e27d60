"""A vault's folder for development: ``vault.toml`` and everything that it names, and a profile for each caller.

What ``set_up`` makes in a folder::

    vault.toml            the configuration
    access.toml           who may do what: one caller for each role
    root.key              the root key; back it up, without it the database is worth nothing
    certificates/         an authority, the server's certificate and the callers', valid for 90 days
    profiles/NAME.toml    how each caller reaches the vault, for --profile
    data/                 what the vault writes

Nothing that exists is overwritten. Before real use replace the certificates and the access file by your own.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from vault import wiring
from vault.cli.certificates import create_all
from vault.config import EXAMPLE, OperationsConfig
from vault.errors import AlreadyExists

DEFAULT_ADDRESS = "127.0.0.1:7443"
CALLERS: Mapping[str, str] = MappingProxyType(
    {
        name: f"spiffe://cardvault.dev/{name}"
        for name in (
            *("operator", "issuer", "seller", "shop", "redeemer", "exchanger"),
            *("keeper", "revealer", "officer", "auditor"),
        )
    }
)
ROLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: (name,) for name in CALLERS} | {"shop": ("validator",), "officer": ("officer", "validator")}
)
"""Roles of each caller; the officer is a validator too, whom the vault tells its public keys."""
RELAYS: Mapping[str, str] = MappingProxyType({"shop": "redeemer"})
"""Who may present what is sealed for a caller, beside itself."""
RECEIPT_AUDIENCE = "ledger.example"
"""Whom validators and the redeemer may have receipts made out to."""
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "certificate": "certificates/server.pem",
        "private_key": "certificates/server.key",
        "client_ca": "certificates/ca.pem",
        "access_file": "access.toml",
        "root_key": "root.key",
        "path": "data/vault.db",
    }
)


def set_up(folder: Path, *, address: str = DEFAULT_ADDRESS, programs: Mapping[str, str] | None = None) -> Path:
    """Make everything that a vault for development needs, and answer the configuration's path.

    Args:
        folder: Where to make it; made where it is missing.
        address: Host and port to listen on.
        programs: The only program for which a caller holds its role, by the caller's name; every program where
            a caller is not in it.

    Raises:
        AlreadyExists: Some of it is there.
    """
    configuration = folder / "vault.toml"
    if configuration.exists():
        message = f"{configuration} exists; choose another folder, or delete it"
        raise AlreadyExists(message, reason="FILE_EXISTS")
    create_all(folder / "certificates", CALLERS)
    for name in ("data", "profiles"):
        (folder / name).mkdir(mode=0o700)
    wiring.create_root_key(folder / "root.key")
    (folder / "access.toml").write_text(_access(programs or {}), encoding="utf-8")
    write_profiles(folder, address)
    configuration.write_text(_configuration(address), encoding="utf-8")
    return configuration


def write_profiles(folder: Path, address: str, callers: Iterable[str] = CALLERS) -> None:
    """Write callers' profiles for a vault that listens on this address."""
    for name in callers:
        lines = (
            f'server = "{address}"',
            'ca = "../certificates/ca.pem"',
            f'certificate = "../certificates/{name}.pem"',
            f'private_key = "../certificates/{name}.key"',
        )
        (folder / "profiles" / f"{name}.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def set_address(configuration: Path, address: str) -> None:
    """Change the address in a configuration file."""
    configuration.write_text(_set(configuration.read_text(encoding="utf-8"), "address", address), encoding="utf-8")


def _configuration(address: str) -> str:
    text = _set(EXAMPLE, "address", address)
    if address.endswith(":0"):  # a vault that may run beside others: the system chooses both ports
        text = text.replace(f'"{OperationsConfig.address}"', '"127.0.0.1:0"')
    for name, value in SETTINGS.items():
        text = _set(text, name, value)
    return text


def _set(text: str, name: str, value: str) -> str:
    # The first one: the server's address stands above that of the operators' listener.
    changed, count = re.subn(rf'^{name} = ".*"$', f'{name} = "{value}"', text, count=1, flags=re.MULTILINE)
    assert count == 1, name
    return changed


def _access(programs: Mapping[str, str]) -> str:
    entries = ["# Which principal holds which roles for which programs; * is every program.\n"]
    for name, principal in CALLERS.items():
        roles = ", ".join(f'"{role}"' for role in ROLES[name])
        program = programs.get(name, "*")
        lines = ["[[principal]]", f'name = "{principal}"', f'roles = {{ "{program}" = [{roles}] }}']
        if name in RELAYS:
            lines.append(f'relays = ["{CALLERS[RELAYS[name]]}"]')
        if {"validator", "redeemer"} & set(ROLES[name]):
            lines.append(f'receipt_audiences = ["{RECEIPT_AUDIENCE}"]')
        entries.append("\n".join([*lines, ""]))
    return "\n".join(entries)
