"""``cardvault incident open``, ``show``, ``list``, ``triage`` and ``close``."""

import argparse
from collections.abc import Mapping
from typing import Any

from vault.cli.applying import add_applying, finish, go_ahead, say
from vault.cli.card_file import add_cards_from, read_cards, show_sent
from vault.cli.connection import Actions
from vault.cli.counting import plain_counts, show_counts
from vault.cli.failure import EXIT_DONE
from vault.cli.incident_selection import send_to_incident
from vault.cli.incidents import (
    LIST,
    PATIENCE_SECONDS,
    add_incident,
    get_incident,
    of,
    plain_incident,
    seen_first,
    show_incident,
    steps_of,
)
from vault.cli.jobs import LIST as JOBS
from vault.cli.jobs import plain_job
from vault.cli.output import Output
from vault.cli.paging import add_limit, collect
from vault.client.channel import VaultClient
from vault.v1.incident_service_pb2 import (
    CloseIncidentRequest,
    Incident,
    ListIncidentsRequest,
    OpenIncidentRequest,
    OpenIncidentResponse,
)


def add_cases(actions: Actions) -> None:
    """Add the actions that open, show and close incidents."""
    opening = actions.add("open", _open, "open an incident over a program, batches, or cards chosen one by one")
    opening.add_argument("program")
    opening.add_argument("--title", required=True, help="what to call it; must not hold a code")
    over = opening.add_mutually_exclusive_group(required=True)
    over.add_argument("--whole-program", action="store_true", help="over every card of the program")
    over.add_argument(
        "--batch", dest="batches", action="append", default=[], metavar="ID", help="over this batch; more than once"
    )
    over.add_argument("--cards", action="store_true", help="over cards that `add` and `found` choose later")
    add_cards_from(over, required=False, which="over these cards")
    opening.add_argument("--serials-leaked", action="store_true", help="serials leaked too: they prove nothing then")
    add_applying(opening)
    add_incident(actions.add("show", _show, "show an incident, its re-issues, and what to do next"))
    listing = actions.add("list", _list, "list a program's incidents, newest first")
    listing.add_argument("program")
    add_limit(listing)
    add_incident(actions.add("triage", _triage, "count an incident's cards by state and usage"))
    close = actions.add("close", _close, "close an incident that is thawed, for good")
    add_incident(close)
    close.add_argument("--note", default="", help="how it ended, for the report; must not hold a code")
    add_applying(close)


async def _open(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    cards = read_cards(parsed.cards_from) if parsed.cards_from else []

    async def preview() -> Mapping[str, Any]:
        answer = await _send(client, parsed, validate_only=True)
        show_incident(output, answer.incident)
        show_counts(output, answer.counts)
        incident = plain_incident(answer.incident)
        if cards:
            say(output, f"would add {len(cards):,} cards to it")
        return {"would": "open", "incident": incident, "counts": plain_counts(answer.counts), "cards": len(cards)}

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    answer = await _send(client, parsed, validate_only=False)
    incident = answer.incident
    value: dict[str, Any] = {}
    status = EXIT_DONE
    if cards:
        say(output, f"opened incident {incident.incident_id}")
        sent = await send_to_incident(client, output, incident, cards)
        show_sent(output, sent)
        parsed.incident = incident.incident_id
        answered = await get_incident(client, parsed, triage=True)
        incident, counts = answered.incident, answered.counts
        value["chosen"] = sent.plain()
        status = sent.status
    else:
        counts = answer.counts
    show_incident(output, incident)
    show_counts(output, counts)
    value |= {"incident": plain_incident(incident), "counts": plain_counts(counts)}
    finish(output, value, steps_of(incident))
    return status


async def _send(client: VaultClient, parsed: argparse.Namespace, *, validate_only: bool) -> OpenIncidentResponse:
    scope = Incident.SCOPE_CARDS
    if parsed.whole_program:
        scope = Incident.SCOPE_PROGRAM
    elif parsed.batches:
        scope = Incident.SCOPE_BATCHES
    request = OpenIncidentRequest(
        program=parsed.program,
        title=parsed.title,
        scope=scope,
        batch_ids=parsed.batches,
        serials_leaked=parsed.serials_leaked,
        validate_only=validate_only,
    )
    return await client.call(client.incidents.OpenIncident, request, max(parsed.timeout, PATIENCE_SECONDS))


async def _show(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    answer = await get_incident(client, parsed)
    show_incident(output, answer.incident)
    if answer.jobs and not output.as_json:
        output.many(answer.jobs, JOBS)
    value = {"incident": plain_incident(answer.incident), "jobs": [plain_job(job) for job in answer.jobs]}
    return finish(output, value, steps_of(answer.incident, answer.jobs), applied=None)


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListIncidentsRequest(program=parsed.program)
    output.many(await collect(client, client.incidents.ListIncidents, request, "incidents", parsed.limit), LIST)
    return EXIT_DONE


async def _triage(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    answer = await get_incident(client, parsed, triage=True)
    show_counts(output, answer.counts)
    value = {"incident": plain_incident(answer.incident), "counts": plain_counts(answer.counts)}
    return finish(output, value, steps_of(answer.incident, answer.jobs), applied=None)


async def _close(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    what = "close it for good: no card can be added, frozen or exchanged under it any more"
    if not await go_ahead(parsed, output, parsed.program, seen_first(client, parsed, output, what)):
        return EXIT_DONE
    request = CloseIncidentRequest(program=parsed.program, incident_id=parsed.incident, note=parsed.note)
    incident = (await client.call(client.incidents.CloseIncident, request)).incident
    show_incident(output, incident)
    steps = [f"{of(incident, 'report', '--out', 'FILE')}  writes the signed report"]
    return finish(output, {"incident": plain_incident(incident)}, steps)
