"""Options that every command shares to reach a vault, and the profile file that saves typing them.

A profile is a TOML file; paths in it are relative to its folder::

    server = "localhost:7443"  # or several, "one:7443,two:7443", of vaults over one database
    ca = "certificates/ca.pem"
    certificate = "certificates/issuer.pem"
    private_key = "certificates/issuer.key"
    server_name = ""          # optional: DNS name that the vault's certificate must carry

An option given on the command line wins over the profile. The profile is ``--profile``, else the file that the
environment variable ``CARDVAULT_PROFILE`` names. Neither ever holds a secret, only where it is.
"""

import argparse
import asyncio
import os
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path

from vault.cli.failure import UsageProblem
from vault.cli.output import Output
from vault.client.channel import DEFAULT_TIMEOUT_SECONDS, VaultClient, connect

PROFILE_VARIABLE = "CARDVAULT_PROFILE"
NAMES = ("server", "ca", "certificate", "private_key", "server_name")

ClientCommand = Callable[[VaultClient, argparse.Namespace, Output], Awaitable[int]]


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that reach a vault, and ``--json``."""
    group = parser.add_argument_group("the vault")
    group.add_argument("--profile", type=Path, metavar="FILE", help=f"client profile (default: ${PROFILE_VARIABLE})")
    group.add_argument("--server", metavar="HOST:PORT,…", help="where the vault listens, or several")
    group.add_argument("--ca", metavar="FILE", help="certificate of the authority that vouches for the vault")
    group.add_argument("--cert", dest="certificate", metavar="FILE", help="your certificate")
    group.add_argument("--key", dest="private_key", metavar="FILE", help="your certificate's private key")
    group.add_argument("--server-name", metavar="NAME", help="DNS name to expect in the vault's certificate")
    group.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="deadline of each call",
    )
    group.add_argument("--json", action="store_true", help="write one JSON value to standard output")


def connected(command: ClientCommand) -> Callable[[argparse.Namespace], int]:
    """Make the ``run`` of a command that needs a client."""

    def run(parsed: argparse.Namespace) -> int:
        async def within() -> int:
            async with open_client(parsed) as client:
                return await command(client, parsed, Output(as_json=parsed.json))

        return asyncio.run(within())

    return run


def open_client(parsed: argparse.Namespace) -> VaultClient:
    """Make a client from the options and the profile.

    Raises:
        UsageProblem: Something needed is given by neither.
        InvalidInput: A certificate or key cannot be read.
    """
    settings = _profile(parsed.profile)
    settings.update({name: value for name in NAMES if (value := getattr(parsed, name))})
    missing = [name for name in NAMES[:4] if not settings.get(name)]
    if missing:
        options = {"certificate": "--cert", "private_key": "--key"}
        needed = ", ".join(options.get(name, f"--{name}") for name in missing)
        message = f"how to reach the vault is not known: give {needed}, or --profile FILE"
        raise UsageProblem(message)
    return connect(
        settings["server"],
        ca=Path(settings["ca"]),
        certificate=Path(settings["certificate"]),
        private_key=Path(settings["private_key"]),
        server_name=settings.get("server_name", ""),
        timeout_seconds=parsed.timeout,
    )


def _profile(given: Path | None) -> dict[str, str]:
    path = given or (Path(found) if (found := os.environ.get(PROFILE_VARIABLE)) else None)
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            settings = tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        message = f"{path} is not TOML: {error}"
        raise UsageProblem(message) from None
    unknown = sorted(set(settings) - set(NAMES))
    if unknown or not all(isinstance(value, str) for value in settings.values()):
        message = f"{path} may hold only {', '.join(NAMES)}, each a string"
        raise UsageProblem(message)
    files = ("ca", "certificate", "private_key")
    return {name: str(path.parent / value) if name in files else value for name, value in settings.items()}


class Actions:
    """The actions of a group of commands, such as ``get`` of ``cardvault batch``."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._parsers = parser.add_subparsers(required=True, metavar="ACTION", title="actions")

    def add(self, name: str, command: ClientCommand, summary: str) -> argparse.ArgumentParser:
        """Add an action that needs a client, and answer its parser."""
        parser = self.add_local(name, summary)
        add_connection_options(parser)
        parser.set_defaults(run=connected(command))
        return parser

    def add_local(self, name: str, summary: str) -> argparse.ArgumentParser:
        """Add an action that needs no vault, and answer its parser; the caller sets ``run``."""
        return self._parsers.add_parser(name, help=summary, description=f"{summary}.")
