"""Sending any number of cards from a file, in parts of 1,000.

1. A card that stands twice in the file is sent once.
2. What is interrupted is begun again with the same file: a card that is there already is taken as added.
"""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vault.cli.failure import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, UsageProblem
from vault.cli.output import Output, table, word
from vault.cli.progress import progress_bar
from vault.cli.selection import portions, select
from vault.codes.serial import parse_serial
from vault.errors import InvalidInput
from vault.v1.resources_pb2 import CardChange, CardSelector, ChangeOutcome

ADDED = frozenset({ChangeOutcome.CHANGE_OUTCOME_DONE, ChangeOutcome.CHANGE_OUTCOME_REPEATED})
MOST_SHOWN = 20

Portion = Sequence[CardSelector]
Send = Callable[[Portion], Awaitable[Sequence[CardChange]]]


class Sent(NamedTuple):
    """What became of a file's cards: how many are in the selection, and those that are not, by position."""

    total: int
    added: int
    refused: list[tuple[int, str]]

    @property
    def status(self) -> int:
        """The exit status: all, some or none added."""
        if self.added == self.total:
            return EXIT_DONE
        return EXIT_PARTLY if self.added else EXIT_FAILED

    def plain(self) -> dict[str, Any]:
        """Answer it for programs."""
        refused = [{"position": position, "outcome": outcome} for position, outcome in self.refused]
        return {"cards": self.total, "added": self.added, "not_added": refused}


def add_cards_from(parser: argparse._ActionsContainer, *, required: bool, which: str = "") -> None:
    """Add ``--cards-from``, whose help begins with ``which`` cards they are."""
    parser.add_argument(
        "--cards-from",
        metavar="FILE",
        required=required,
        help=(f"{which}: " if which else "") + "card ids or serials, one a line; - is stdin",
    )


def read_cards(source: str) -> list[CardSelector]:
    """Read card ids and serials, each once, in the file's order.

    Raises:
        UsageProblem: There is none, or a line is neither, or mistyped; its position is told, never its content.
    """
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="ascii", errors="replace")
    given = text.split()
    if not given:
        message = "there is no card in it"
        raise UsageProblem(message)
    found: dict[str, CardSelector] = {}
    for position, selector in enumerate(select(given), 1):
        if selector.serial:
            _check_serial(selector.serial, position)
        found[selector.card_id or selector.serial] = selector
    return list(found.values())


def _check_serial(serial: str, position: int) -> None:
    try:
        parse_serial(serial)
    except InvalidInput:
        message = f"card {position} is a serial with a wrong check character: most likely mistyped"
        raise UsageProblem(message) from None


async def send_cards(
    output: Output, cards: Sequence[CardSelector], send: Send, go_on: str, already: Sequence[CardChange] = ()
) -> Sent:
    """Send cards in parts, with a progress bar, and answer what became of them.

    Args:
        output: Where to tell of an interruption.
        cards: The cards.
        send: Sends one part and answers an item for each card.
        go_on: The command that goes on after an interruption.
        already: The items of the first cards, if those were sent.

    Raises:
        VaultError: The vault refused; the parts before are added.
    """
    changes = list(already)
    rest = cards[len(changes) :]
    try:
        with progress_bar("adding cards", quiet=output.as_json) as report:
            report(len(changes), len(cards))
            for portion in portions(rest):
                changes.extend(await send(portion))
                report(len(changes), len(cards))
    except asyncio.CancelledError:
        print(f"{len(changes):,} of {len(cards):,} cards were sent; to go on: {go_on}", file=sys.stderr)
        raise
    return sent_cards(changes)


def sent_cards(changes: Sequence[CardChange]) -> Sent:
    """Sum up the items of a file's cards, in their order."""
    refused = [
        (position, word(ChangeOutcome, change.outcome))
        for position, change in enumerate(changes, 1)
        if change.outcome not in ADDED
    ]
    return Sent(len(changes), len(changes) - len(refused), refused)


def show_sent(output: Output, sent: Sent) -> None:
    """Show people what became of the cards; nothing where JSON is asked for."""
    if not output.as_json:
        print(f"{sent.added:,} of {sent.total:,} cards are chosen")
        show_refused(output, sent)


def show_refused(output: Output, sent: Sent) -> None:
    """Show people the cards that are not chosen, or cannot be; nothing where JSON is asked for."""
    if sent.refused and not output.as_json:
        table(["card of the file", "why not"], [[str(place), outcome] for place, outcome in sent.refused[:MOST_SHOWN]])
        if len(sent.refused) > MOST_SHOWN:
            print(f"… and {len(sent.refused) - MOST_SHOWN:,} more; --json lists them all")
