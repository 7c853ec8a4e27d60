"""``cardvault card activate``, ``mark``, ``suspend`` and the like: changing any number of cards."""

import argparse
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from vault.cli.asking import add_confirmation, confirm
from vault.cli.card_listing import USAGES, usage_number
from vault.cli.connection import Actions, ClientCommand
from vault.cli.failure import UsageProblem
from vault.cli.output import Output
from vault.cli.selection import add_cards, chosen_cards, portions, select, show_changes
from vault.cli.timing import add_expiry
from vault.client.channel import VaultClient
from vault.v1.activation_service_pb2 import ActivateCardsRequest, DeactivateCardsRequest
from vault.v1.card_service_pb2 import (
    CardMark,
    CardUpdate,
    CloseCardsRequest,
    MarkCardsRequest,
    ResumeCardsRequest,
    SuspendCardsRequest,
    UpdateCardsRequest,
)
from vault.v1.resources_pb2 import CardChange, CardSelector

Portion = Sequence[CardSelector]
Change = Callable[[VaultClient, argparse.Namespace, Portion], Awaitable[Sequence[CardChange]]]


def add_changes(actions: Actions) -> None:
    """Add the actions that change cards."""
    add_cards(actions.add("activate", _changing(_activate), "sell cards: their codes become good"))
    add_cards(actions.add("deactivate", _changing(_deactivate), "undo sales of unused cards"))
    mark = actions.add("mark", _changing(_mark), "take down what the ledger says of cards' use")
    add_cards(mark)
    mark.add_argument("--usage", choices=USAGES, required=True, help="what the ledger says")
    update = actions.add("update", _changing(_update), "change cards' reference or expiry")
    add_cards(update)
    update.add_argument("--reference", help="your own note, empty clears it; must not hold a code")
    add_expiry(update)
    update.add_argument("--never-expires", action="store_true", help="the cards do not expire")
    suspend = actions.add("suspend", _changing(_suspend), "suspend active cards until they are resumed")
    resume = actions.add("resume", _changing(_resume), "make suspended cards active again")
    close = actions.add("close", _close, "end cards for good")
    for action in (suspend, resume, close):
        add_cards(action)
        action.add_argument("--reason", default="", help="why, for the audit log; must not hold a code")
    close.add_argument("--dry-run", action="store_true", help="make every check and change nothing")
    add_confirmation(close)


def _changing(change: Change) -> ClientCommand:
    async def command(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
        given = chosen_cards(parsed)
        changes: list[CardChange] = []
        for portion in portions(select(given)):
            changes.extend(await change(client, parsed, portion))
        return show_changes(output, given, changes)

    return command


async def _activate(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    request = ActivateCardsRequest(program=parsed.program, cards=cards)
    return (await client.call(client.activation.ActivateCards, request)).changes


async def _deactivate(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    request = DeactivateCardsRequest(program=parsed.program, cards=cards)
    return (await client.call(client.activation.DeactivateCards, request)).changes


async def _mark(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    usage = usage_number(parsed.usage)
    marks = [CardMark(card=card, usage=usage) for card in cards]
    request = MarkCardsRequest(program=parsed.program, marks=marks)
    return (await client.call(client.cards.MarkCards, request)).changes


async def _update(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    paths = []
    if parsed.reference is not None:
        paths.append("reference")
    if parsed.expires or parsed.never_expires:
        paths.append("expire_time")
    if not paths or (parsed.expires and parsed.never_expires):
        message = "give --reference, or either --expires or --never-expires"
        raise UsageProblem(message)
    updates = [CardUpdate(card=card, reference=parsed.reference or "", expire_time=parsed.expires) for card in cards]
    mask = FieldMask(paths=paths)
    request = UpdateCardsRequest(program=parsed.program, updates=updates, update_mask=mask)
    return (await client.call(client.cards.UpdateCards, request)).changes


async def _suspend(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    request = SuspendCardsRequest(program=parsed.program, cards=cards, reason=parsed.reason)
    return (await client.call(client.cards.SuspendCards, request)).changes


async def _resume(client: VaultClient, parsed: argparse.Namespace, cards: Portion) -> Sequence[CardChange]:
    request = ResumeCardsRequest(program=parsed.program, cards=cards, reason=parsed.reason)
    return (await client.call(client.cards.ResumeCards, request)).changes


async def _close(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    given = chosen_cards(parsed)
    selectors = select(given)
    confirm(parsed, f"End {len(selectors):,} cards of {parsed.program} for good? Nothing undoes it.")
    changes: list[CardChange] = []
    for portion in portions(selectors):
        request = CloseCardsRequest(
            program=parsed.program, cards=portion, reason=parsed.reason, validate_only=parsed.dry_run
        )
        changes.extend((await client.call(client.cards.CloseCards, request)).changes)
    return show_changes(output, given, changes)
