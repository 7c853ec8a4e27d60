"""``cardvault incident add`` and ``found``: choosing an incident's cards, in parts.

Codes that were found come from a private file or standard input, and leave this machine only as packages sealed
to the vault's sealing key. What comes back of them is how many are known, and their serials. Lines that cannot be
codes are counted among the unknown, and stay here.
"""

import argparse
import asyncio
import getpass
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vault.cli.applying import add_applying, finish, go_ahead, would
from vault.cli.card_file import Portion, Sent, add_cards_from, read_cards, send_cards, show_sent
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, UsageProblem
from vault.cli.incidents import add_incident, get_incident, of, plain_incident, show_incident, steps_of
from vault.cli.output import Output
from vault.cli.progress import progress_bar
from vault.cli.public_keys import ask_public_keys, read_public_keys, sealing_key
from vault.client.channel import VaultClient
from vault.client.found import MOST_CODES, seal_codes
from vault.codes.format import normalize
from vault.errors import AlreadyExists, InvalidInput
from vault.secretfile import read_secret_file
from vault.v1.incident_service_pb2 import AddToSelectionRequest, Incident
from vault.v1.resources_pb2 import CardChange, CardList, CardSelector

LARGEST_FOUND_BYTES = 64 * 1024 * 1024


def add_selections(actions: Actions) -> None:
    """Add the actions that choose an incident's cards."""
    add = actions.add("add", _add, "add cards to an incident over chosen cards")
    add_incident(add)
    add_cards_from(add, required=True)
    add_applying(add)
    found = actions.add("found", _found, "add the cards of codes that were found, sealed before they are sent")
    add_incident(found)
    found.add_argument(
        "--from",
        dest="codes_from",
        required=True,
        metavar="FILE",
        help="codes, one a line, in a file that only you can read; - is stdin",
    )
    found.add_argument(
        "--keys", type=Path, metavar="FILE", help="public keys, as `keys public --out` wrote them (default: ask)"
    )
    found.add_argument("--serials-out", type=Path, metavar="FILE", help="new file for the serials of known codes")
    add_applying(found)


async def send_to_incident(
    client: VaultClient, output: Output, incident: Incident, cards: Sequence[CardSelector]
) -> Sent:
    """Add cards to an incident in parts, and answer what became of them.

    Raises:
        VaultError: The vault refused; the parts before are added.
    """

    async def send(portion: Portion) -> Sequence[CardChange]:
        request = AddToSelectionRequest(
            program=incident.program, incident_id=incident.incident_id, cards=CardList(cards=portion)
        )
        return (await client.call(client.incidents.AddToSelection, request)).changes

    return await send_cards(output, cards, send, of(incident, "add", "--cards-from", "FILE", "--apply"))


async def _add(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    cards = read_cards(parsed.cards_from)
    incident = (await get_incident(client, parsed)).incident
    show_incident(output, incident)
    preview = would(output, f"add {len(cards):,} cards to it", cards=len(cards))
    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    sent = await send_to_incident(client, output, incident, cards)
    show_sent(output, sent)
    answer = await get_incident(client, parsed)
    value = {"incident": plain_incident(answer.incident), "chosen": sent.plain()}
    finish(output, value, steps_of(answer.incident, answer.jobs))
    return sent.status


async def _found(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    codes, others = _read(parsed.codes_from)
    if parsed.serials_out and parsed.serials_out.exists():
        message = f"{parsed.serials_out} exists"
        raise AlreadyExists(message, reason="FILE_EXISTS")
    incident = (await get_incident(client, parsed)).incident
    show_incident(output, incident)
    key = sealing_key(read_public_keys(parsed.keys) if parsed.keys else await ask_public_keys(client))
    packages = [seal_codes(part, key.public_key) for part in _parts(codes)]
    what = f"send {len(codes):,} codes in {len(packages):,} parts, sealed to {key.key_id}"
    what += f"; {others:,} lines cannot be codes" if others else ""
    if not await go_ahead(parsed, output, parsed.program, would(output, what, codes=len(codes), no_codes=others)):
        return EXIT_DONE
    serials, unknown = await _send(client, parsed, output, packages)
    unknown += others
    if parsed.serials_out:
        with parsed.serials_out.open("x", encoding="ascii") as file:
            file.writelines(f"{serial}\n" for serial in serials)
    answer = await get_incident(client, parsed)
    if not output.as_json:
        print(f"{len(serials):,} are codes of {parsed.program}, {unknown:,} are not; their cards are chosen")
    value = {"incident": plain_incident(answer.incident), "serials": serials, "unknown_count": unknown}
    finish(output, value, steps_of(answer.incident, answer.jobs))
    if not unknown:
        return EXIT_DONE
    return EXIT_PARTLY if serials else EXIT_FAILED


async def _send(
    client: VaultClient, parsed: argparse.Namespace, output: Output, packages: Sequence[bytes]
) -> tuple[list[str], int]:
    serials: list[str] = []
    unknown = 0
    try:
        with progress_bar("sending found codes", quiet=output.as_json) as report:
            for number, package in enumerate(packages, 1):
                request = AddToSelectionRequest(
                    program=parsed.program, incident_id=parsed.incident, found_codes=package
                )
                answer = await client.call(client.incidents.AddToSelection, request)
                serials += answer.serials
                unknown += answer.unknown_count
                report(number, len(packages))
    except asyncio.CancelledError:
        print("not all were sent; to go on, give the same command again", file=sys.stderr)
        raise
    return serials, unknown


def _read(source: str) -> tuple[list[str], int]:
    """Read codes, each once, from a private file or standard input, and count the lines that cannot be codes.

    Raises:
        UsageProblem: There is none.
        FailedPrecondition: Others can read the file.
    """
    if source == "-" and sys.stdin.isatty():
        lines = list(iter(lambda: getpass.getpass("code (not shown; empty line ends): ").strip(), ""))
    elif source == "-":
        lines = sys.stdin.read().splitlines()
    else:
        content = read_secret_file(Path(source), LARGEST_FOUND_BYTES)
        lines = content.decode(errors="replace").splitlines()
    given = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    codes = list(filter(_may_be_code, given))
    if not codes:
        message = "there is no code in it"
        raise UsageProblem(message)
    return codes, len(given) - len(codes)


def _may_be_code(line: str) -> bool:
    try:
        normalize(line)
    except InvalidInput:
        return False
    return True


def _parts(codes: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(codes), MOST_CODES):
        yield codes[start : start + MOST_CODES]
