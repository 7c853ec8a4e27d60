"""``cardvault incident block``, ``unblock`` and ``blocked``: cutting principals off."""

import argparse

from vault.cli.applying import add_applying, command, finish, go_ahead, would
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Column, Output, moment, plain
from vault.client.channel import VaultClient
from vault.v1.incident_service_pb2 import (
    BlockedPrincipal,
    BlockPrincipalRequest,
    ListBlockedPrincipalsRequest,
    UnblockPrincipalRequest,
)

LIST: tuple[Column[BlockedPrincipal], ...] = (
    Column("principal", lambda blocked: blocked.principal),
    Column("program", lambda blocked: blocked.program or "all"),
    Column("incident", lambda blocked: blocked.incident_id or "-"),
    Column("why", lambda blocked: blocked.note),
    Column("by", lambda blocked: blocked.blocked_by),
    Column("since", lambda blocked: moment(blocked.block_time)),
)


def add_blocks(actions: Actions) -> None:
    """Add the actions over blocked principals."""
    block = actions.add("block", _block, "cut a principal off, from its next answer on")
    unblock = actions.add("unblock", _unblock, "let a principal in again")
    for action in (block, unblock):
        action.add_argument("principal", help="as its certificate names it, such as spiffe://example.org/shop-7")
        action.add_argument("--program", default="", help="only for this program (default: for all)")
        add_applying(action)
    block.add_argument("--note", required=True, help="why; must not hold a code")
    block.add_argument("--incident", default="", metavar="ID", help="the incident that it belongs to")
    blocked = actions.add("blocked", _blocked, "list the principals that are blocked")
    blocked.add_argument("--program", default="", help="only for this program (default: every one)")


async def _block(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    what = f"cut {parsed.principal} off from {parsed.program or 'every program'}"
    if not await go_ahead(parsed, output, parsed.program, would(output, what, principal=parsed.principal)):
        return EXIT_DONE
    request = BlockPrincipalRequest(
        program=parsed.program, principal=parsed.principal, note=parsed.note, incident_id=parsed.incident
    )
    blocked = (await client.call(client.incidents.BlockPrincipal, request)).blocked
    if not output.as_json:
        output.one(blocked, LIST)
    words = (parsed.principal, *(("--program", parsed.program) if parsed.program else ()), "--apply")
    steps = [
        "take the principal out of the access file too, and have its certificate replaced",
        f"{command('incident', 'unblock', *words)}  lets it in again",
    ]
    return finish(output, {"blocked": plain(blocked)}, steps)


async def _unblock(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    what = f"let {parsed.principal} in again for {parsed.program or 'every program'}"
    if not await go_ahead(parsed, output, parsed.program, would(output, what, principal=parsed.principal)):
        return EXIT_DONE
    request = UnblockPrincipalRequest(program=parsed.program, principal=parsed.principal)
    await client.call(client.incidents.UnblockPrincipal, request)
    return finish(
        output, {"unblocked": parsed.principal}, [f"{command('incident', 'blocked')}  lists who is still blocked"]
    )


async def _blocked(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListBlockedPrincipalsRequest(program=parsed.program)
    output.many((await client.call(client.incidents.ListBlockedPrincipals, request)).blocked, LIST)
    return EXIT_DONE
