"""``cardvault audit``: read what happened."""

import argparse
from collections import Counter
from datetime import UTC, datetime

from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.output import Column, Output
from vault.cli.paging import add_limit, collect
from vault.cli.timing import parse_instant
from vault.client.channel import VaultClient
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.v1.audit_service_pb2 import ListAuditEventsRequest, RecordedEvent

COLUMNS: tuple[Column[RecordedEvent], ...] = (
    Column("time", lambda recorded: _time(recorded.event)),
    Column("action", lambda recorded: recorded.event.action.removeprefix("vault.v1.")),
    Column("principal", lambda recorded: recorded.event.principal or "-"),
    Column("program", lambda recorded: recorded.event.program or "-"),
    Column("status", lambda recorded: recorded.event.reason or recorded.event.status),
    Column("codes out", lambda recorded: "yes" if recorded.event.delivered else "-"),
    Column("cards", lambda recorded: _outcomes(recorded.event)),
    Column("subject", lambda recorded: recorded.event.subject or "-"),
    Column("note", lambda recorded: recorded.event.note or "-"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action."""
    listing = Actions(parser).add("list", _list, "list audit events in the order of their time")
    listing.add_argument("--program", default="", help="only events of this program")
    listing.add_argument("--since", type=parse_instant, metavar="TIME", help="only events at or after this time")
    listing.add_argument("--until", type=parse_instant, metavar="TIME", help="only events before this time")
    add_limit(listing)


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListAuditEventsRequest(program=parsed.program, start_time=parsed.since, end_time=parsed.until)
    output.many(await collect(client, client.audit.ListAuditEvents, request, "events", parsed.limit), COLUMNS)
    return EXIT_DONE


def _time(event: AuditEvent) -> str:
    return datetime.fromtimestamp(event.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def _outcomes(event: AuditEvent) -> str:
    counts = Counter(item.outcome for item in event.items)
    return ", ".join(f"{count} {outcome.lower()}" for outcome, count in sorted(counts.items())) or "-"
