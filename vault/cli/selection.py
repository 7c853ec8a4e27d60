"""Choosing cards by card id or serial, and telling what became of each.

Any number can be chosen; requests take 1,000 at a time. The exit status tells whether all, some or none were
done.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vault.cli.failure import EXIT_DONE, EXIT_FAILED, EXIT_PARTLY, UsageProblem
from vault.cli.output import Column, Output, plain, table, word
from vault.v1.resources_pb2 import Card, CardChange, CardSelector, ChangeOutcome

LARGEST_REQUEST = 1000
CARD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SERIAL = re.compile(r"[A-Z][0-9A-Z]{12}")

COLUMNS: tuple[Column[CardChange], ...] = (
    Column("card", lambda change: change.card_id or "-"),
    Column("outcome", lambda change: word(ChangeOutcome, change.outcome)),
    Column("state", lambda change: word(Card.State, change.state)),
    Column("etag", lambda change: change.etag or "-"),
)


def add_card(parser: argparse.ArgumentParser) -> None:
    """Add the program and one card."""
    parser.add_argument("program")
    parser.add_argument("card", type=parse_selector, help="card id or serial")


def add_cards(parser: argparse.ArgumentParser) -> None:
    """Add the program and any number of cards."""
    parser.add_argument("program")
    parser.add_argument("cards", nargs="*", metavar="card", help="card ids or serials")
    parser.set_defaults(takes_more="cards")
    parser.add_argument(
        "--from",
        dest="cards_file",
        metavar="FILE",
        help="read card ids or serials from a file, one a line; - is stdin",
    )


def parse_selector(text: str) -> CardSelector:
    """Parse a card id or a serial.

    Raises:
        argparse.ArgumentTypeError: It is neither; what was given is not repeated, it might be a code.
    """
    if CARD_ID.fullmatch(text.lower()):
        return CardSelector(card_id=text.lower())
    if SERIAL.fullmatch(text.upper()):
        return CardSelector(serial=text.upper())
    message = "neither a card id (a UUID) nor a serial (a letter and 12 of 0-9A-Z)"
    raise argparse.ArgumentTypeError(message)


def chosen_cards(parsed: argparse.Namespace) -> list[str]:
    """Answer the cards given as arguments and by ``--from``, in their order.

    Raises:
        UsageProblem: There is none, or one is neither a card id nor a serial.
    """
    given = list(parsed.cards)
    if parsed.cards_file == "-":
        given += sys.stdin.read().split()
    elif parsed.cards_file:
        given += Path(parsed.cards_file).read_text(encoding="ascii", errors="replace").split()
    if not given:
        message = "no card was given: name cards, or --from FILE"
        raise UsageProblem(message)
    return given


def select(given: Sequence[str]) -> list[CardSelector]:
    """Parse several card ids and serials.

    Raises:
        UsageProblem: One is neither; its position is told.
    """
    selectors = []
    for position, text in enumerate(given, 1):
        try:
            selectors.append(parse_selector(text))
        except argparse.ArgumentTypeError as error:
            message = f"card {position} is {error}"
            raise UsageProblem(message) from None
    return selectors


def portions(selectors: Sequence[CardSelector]) -> Iterator[Sequence[CardSelector]]:
    """Answer the cards in portions that one request takes."""
    for start in range(0, len(selectors), LARGEST_REQUEST):
        yield selectors[start : start + LARGEST_REQUEST]


def show_changes(output: Output, given: Sequence[str], changes: Sequence[CardChange]) -> int:
    """Write what became of each card and answer the exit status."""
    for position, change in enumerate(changes):
        change.index = position  # requests count from 0 each
    if output.as_json:
        output.value([plain(change) for change in changes])
    else:
        rows = [
            [name, *(column.show(change) for column in COLUMNS)] for name, change in zip(given, changes, strict=True)
        ]
        table(["asked", *(column.title for column in COLUMNS)], rows)
    return status_of(change.outcome == ChangeOutcome.CHANGE_OUTCOME_DONE for change in changes)


def status_of(done: Iterator[bool]) -> int:
    """Answer the exit status: all done, some, or none."""
    outcomes = list(done)
    if all(outcomes):
        return EXIT_DONE
    return EXIT_PARTLY if any(outcomes) else EXIT_FAILED
