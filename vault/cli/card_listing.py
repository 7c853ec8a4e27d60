"""``cardvault card get``, ``list`` and ``status``: looking at cards."""

import argparse

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Column, Output, moment, plain, table, word
from vault.cli.paging import add_limit, collect
from vault.cli.selection import add_card, add_cards, chosen_cards, portions, select, status_of
from vault.client.channel import VaultClient
from vault.v1.card_service_pb2 import GetCardRequest, ListCardsRequest
from vault.v1.resources_pb2 import Card, Usage
from vault.v1.validation_service_pb2 import BatchGetCardStatusRequest, CardStatus

STATES = ("inactive", "active", "suspended", "closed", "redeemed")
USAGES = ("unused", "in-use", "empty")

LIST: tuple[Column[Card], ...] = (
    Column("card", lambda card: card.card_id),
    Column("serial", lambda card: card.serial),
    Column("state", lambda card: word(Card.State, card.state)),
    Column("usage", lambda card: word(Usage, card.usage)),
    Column("reference", lambda card: card.reference or "-"),
    Column("expires", lambda card: moment(card.expire_time)),
)
DETAIL: tuple[Column[Card], ...] = (
    *LIST,
    Column("program", lambda card: card.program),
    Column("batch", lambda card: card.batch_id or "-"),
    Column("generation", lambda card: str(card.generation)),
    Column("record", lambda card: f"version {card.record_version}" if card.record_version else "-"),
    Column("issued", lambda card: moment(card.create_time)),
    Column("activated", lambda card: moment(card.activate_time)),
    Column("redeemed", lambda card: moment(card.redeem_time)),
    Column("etag", lambda card: card.etag),
)
STATUS: tuple[Column[CardStatus], ...] = (
    Column("card", lambda status: status.card_id or "-"),
    Column("state", lambda status: word(Card.State, status.state)),
    Column("usage", lambda status: word(Usage, status.usage)),
    Column("expired", lambda status: "yes" if status.expired else "no"),
    Column("usable", lambda status: "yes" if status.usable else "no"),
)


def add_listing(actions: Actions) -> None:
    """Add the actions that look at cards."""
    add_card(actions.add("get", _get, "show a card"))
    listing = actions.add("list", _list, "list a program's cards")
    listing.add_argument("program")
    listing.add_argument("--batch", default="", help="only cards of this batch")
    listing.add_argument("--state", choices=STATES, help="only cards in this state")
    listing.add_argument("--usage", choices=USAGES, help="only cards of this usage")
    add_limit(listing)
    add_cards(actions.add("status", _status, "say what may be done with cards"))


def usage_number(name: str) -> "Usage.ValueType":
    """Answer the enum value of a usage as it is typed."""
    return Usage.Value(f"USAGE_{name.replace('-', '_').upper()}")


async def _get(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = GetCardRequest(program=parsed.program, card=parsed.card)
    answer = await client.call(client.cards.GetCard, request)
    output.one(answer.card, DETAIL)
    return EXIT_DONE


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListCardsRequest(program=parsed.program, batch_id=parsed.batch)
    if parsed.state:
        request.state = Card.State.Value(f"STATE_{parsed.state.upper()}")
    if parsed.usage:
        request.usage = usage_number(parsed.usage)
    output.many(await collect(client, client.cards.ListCards, request, "cards", parsed.limit), LIST)
    return EXIT_DONE


async def _status(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    given = chosen_cards(parsed)
    statuses: list[CardStatus] = []
    for portion in portions(select(given)):
        request = BatchGetCardStatusRequest(program=parsed.program, cards=portion)
        statuses.extend((await client.call(client.validation.BatchGetCardStatus, request)).statuses)
    if output.as_json:
        output.value([plain(status) for status in statuses])
    else:
        rows = [
            [name, *(column.show(status) for column in STATUS)] for name, status in zip(given, statuses, strict=True)
        ]
        table(["asked", *(column.title for column in STATUS)], rows)
    return status_of(bool(status.card_id) for status in statuses)
