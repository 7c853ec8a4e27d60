"""``cardvault incident freeze``, ``thaw``, ``holds`` and ``release``."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from vault.cli.applying import add_applying, command, finish, go_ahead, say, would
from vault.cli.connection import Actions
from vault.cli.counting import plain_counts, show_counts
from vault.cli.failure import EXIT_DONE
from vault.cli.incidents import (
    PATIENCE_SECONDS,
    add_incident,
    get_incident,
    plain_incident,
    show_incident,
    steps_of,
)
from vault.cli.output import Column, Output, moment, word
from vault.cli.paging import add_limit, collect
from vault.client.channel import VaultClient
from vault.v1.incident_service_pb2 import (
    FreezeIncidentRequest,
    FreezeIncidentResponse,
    Hold,
    ListHoldsRequest,
    ReleaseHoldRequest,
    ThawIncidentRequest,
)
from vault.v1.resources_pb2 import RotationJob

LIST: tuple[Column[Hold], ...] = (
    Column("hold", lambda hold: hold.hold_id),
    Column("over", lambda hold: word(Hold.Kind, hold.kind)),
    Column("count", lambda hold: f"{hold.count:,}" if hold.count else "-"),
    Column("card", lambda hold: hold.card_id or "-"),
    Column("incident", lambda hold: hold.incident_id or "-"),
    Column("laid", lambda hold: moment(hold.create_time)),
)


def add_holds(actions: Actions) -> None:
    """Add the actions over holds."""
    freeze = actions.add("freeze", _freeze, "freeze an incident's cards: no code of them is good")
    freeze.add_argument("--stop-issuance", action="store_true", help="nothing is issued in the program either")
    thaw = actions.add("thaw", _thaw, "lift the freeze: every card is what it has become meanwhile")
    for action in (freeze, thaw):
        add_incident(action)
        add_applying(action)
    holds = actions.add("holds", _holds, "list the holds over a program's cards")
    holds.add_argument("program")
    add_limit(holds)
    release = actions.add("release", _release, "lift the hold over a single card whose exchange was claimed twice")
    release.add_argument("program")
    release.add_argument("hold", help="its id, as `holds` lists it")
    release.add_argument("--note", required=True, help="how it was settled; must not hold a code")
    add_applying(release)


async def _freeze(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    async def send(*, validate_only: bool) -> FreezeIncidentResponse:
        request = FreezeIncidentRequest(
            program=parsed.program,
            incident_id=parsed.incident,
            stop_issuance=parsed.stop_issuance,
            validate_only=validate_only,
        )
        return await client.call(client.incidents.FreezeIncident, request, max(parsed.timeout, PATIENCE_SECONDS))

    async def preview() -> Mapping[str, Any]:
        answer = await send(validate_only=True)
        show_incident(output, answer.incident)
        say(output, "would freeze these cards:")
        show_counts(output, answer.counts)
        return {"would": "freeze", "counts": plain_counts(answer.counts)}

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    answer = await send(validate_only=False)
    say(output, "frozen: from now on no process of the vault answers that a code of these cards is good")
    show_counts(output, answer.counts)
    value = {"incident": plain_incident(answer.incident), "counts": plain_counts(answer.counts)}
    return finish(output, value, steps_of(answer.incident, (await get_incident(client, parsed)).jobs))


async def _thaw(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    def request(*, validate_only: bool) -> ThawIncidentRequest:
        return ThawIncidentRequest(program=parsed.program, incident_id=parsed.incident, validate_only=validate_only)

    async def preview() -> Mapping[str, Any]:
        incident = (await client.call(client.incidents.ThawIncident, request(validate_only=True))).incident
        show_incident(output, incident)
        say(output, "would lift the freeze: current codes of active cards are good again, superseded ones are not")
        replaced = _replaced((await get_incident(client, parsed)).jobs)
        if not replaced:
            say(output, "BEWARE: no re-issue was done without errors; codes not replaced are good again")
        return {"would": "thaw", "codes_replaced": replaced, "incident": plain_incident(incident)}

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    incident = (await client.call(client.incidents.ThawIncident, request(validate_only=False))).incident
    show_incident(output, incident)
    jobs = (await get_incident(client, parsed)).jobs
    return finish(output, {"incident": plain_incident(incident)}, steps_of(incident, jobs))


def _replaced(jobs: Sequence[RotationJob]) -> bool:
    """Tell whether a re-issue has gone through all that it was for."""
    return any(job.state == RotationJob.STATE_DONE and not job.error_count for job in jobs)


async def _holds(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListHoldsRequest(program=parsed.program)
    output.many(await collect(client, client.incidents.ListHolds, request, "holds", parsed.limit), LIST)
    return EXIT_DONE


async def _release(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    preview = would(output, f"lift hold {parsed.hold}: its card's code is good again if the card is", hold=parsed.hold)
    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    request = ReleaseHoldRequest(program=parsed.program, hold_id=parsed.hold, note=parsed.note)
    await client.call(client.incidents.ReleaseHold, request)
    steps = [f"{command('incident', 'holds', parsed.program)}  lists what is still held"]
    return finish(output, {"released": parsed.hold}, steps)
