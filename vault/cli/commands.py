"""The table of commands, and the one place that imports what was chosen.

A command's module has ``configure(parser)``, which adds its arguments and sets ``run``, a function that takes
the parsed arguments and answers the exit status.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

import vault
from vault.cli.failure import EXIT_FAILED, EXIT_USAGE, complain, guarded, missing_package


class Command(NamedTuple):
    """One command; ``help`` is empty for those that the vault starts itself."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("serve", "vault.cli.serve", "run a vault, or write what it needs with --init"),
    Command("migrate", "vault.cli.migrate", "make or migrate the store that vault.toml names"),
    Command("check-config", "vault.cli.check_config", "say whether a vault could start from its vault.toml"),
    Command("doctor", "vault.cli.doctor", "look at all that a vault needs, and say what to do"),
    Command("backup", "vault.cli.backup", "back up the store while vaults serve from it"),
    Command("restore", "vault.cli.restore", "restore a backup, with every program stopped"),
    Command("move", "vault.cli.move", "copy a vault into another store, such as PostgreSQL"),
    Command("incident", "vault.cli.incident", "stop, measure and make good what leaked"),
    Command("rotate", "vault.cli.rotate", "give cards new codes, move stored rows to new keys"),
    Command("keys", "vault.cli.keys", "list, make and destroy key versions; confirm copies of the root key"),
    Command("program", "vault.cli.program", "create and look after programs"),
    Command("recipient", "vault.cli.recipient", "register whom packages of codes are sealed to"),
    Command("batch", "vault.cli.batch", "issue cards in batches, export and withdraw them"),
    Command("card", "vault.cli.card", "issue, sell, look after and validate cards"),
    Command("package", "vault.cli.package", "open a package of codes with its recipient's private key"),
    Command("audit", "vault.cli.audit", "read what happened"),
    Command("contract", "vault.cli.contract", "try a running vault against its protos"),
    Command("dev", "vault.cli.dev", "make certificates for development, and callers for `contract`"),
    Command("demo", "vault.cli.demo.command", "show the main job on the numbers of 2006"),
    Command("demo-step", "vault.cli.demo.step", ""),
    Command("edge", "vault.cli.edge.command", "run a sample shop whose page seals codes in the browser"),
    Command("edge-part", "vault.cli.edge.part", ""),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and answer the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((command for command in COMMANDS if given and command.name == given[0]), None)
    if chosen is None:
        return _without_command(given)
    parser = argparse.ArgumentParser(prog=f"cardvault {chosen.name}", description=f"{chosen.help}.")
    try:
        import_module(chosen.module).configure(parser)
    except ModuleNotFoundError as error:
        complain(missing_package(error))
        return EXIT_FAILED
    parsed, rest = parser.parse_known_args(given[1:])
    _take_more(parser, parsed, rest)
    return guarded(parsed.run, parsed)


def _take_more(parser: argparse.ArgumentParser, parsed: argparse.Namespace, rest: list[str]) -> None:
    """Add arguments that follow an option to the ones before it, which argparse does not do of itself.

    Others are refused without repeating them: one might be a code.
    """
    more = getattr(parsed, "takes_more", "")
    unknown = [argument for argument in rest if argument.startswith("-")]
    if rest and (unknown or not more):
        parser.error(f"unknown options: {' '.join(unknown)}" if unknown else f"{len(rest)} arguments too many")
    if rest:
        setattr(parsed, more, [*getattr(parsed, more), *rest])


def _without_command(given: list[str]) -> int:
    listing = "\n".join(f"  {command.name:14}{command.help}" for command in COMMANDS if command.help)
    parser = argparse.ArgumentParser(
        prog="cardvault",
        description="A vault for the secret codes of prepaid cards.",
        usage="cardvault COMMAND …",
        epilog=f"commands:\n{listing}\n\n`cardvault COMMAND --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cardvault {vault.__version__}")
    if given:
        parser.parse_known_args(given[:1])
        parser.error(f"there is no command {given[0]!r}; `cardvault --help` lists them")
    parser.print_help(sys.stderr)
    return EXIT_USAGE
