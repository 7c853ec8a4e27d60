"""Showing incidents, and saying what comes next in one."""

import argparse
import time
from collections.abc import Mapping, Sequence
from typing import Any

from vault.cli.applying import Preview, command, say
from vault.cli.jobs import job_command
from vault.cli.output import Column, Output, moment, plain, word
from vault.client.channel import VaultClient
from vault.v1.incident_service_pb2 import GetIncidentRequest, GetIncidentResponse, Incident
from vault.v1.resources_pb2 import RotationJob

PATIENCE_SECONDS = 300.0
"""Deadline of calls that count the cards of a whole program."""

LIST: tuple[Column[Incident], ...] = (
    Column("incident", lambda incident: incident.incident_id or "(not opened)"),
    Column("state", lambda incident: word(Incident.State, incident.state)),
    Column("over", lambda incident: word(Incident.Scope, incident.scope)),
    Column("cards chosen", lambda incident: f"{incident.card_count:,}" if _is_chosen(incident) else "-"),
    Column("title", lambda incident: incident.title),
    Column("opened", lambda incident: moment(incident.create_time)),
    Column("by", lambda incident: incident.principal or "-"),
)
DETAIL: tuple[Column[Incident], ...] = (
    *LIST,
    Column("program", lambda incident: incident.program),
    Column("batches", lambda incident: ", ".join(incident.batch_ids) or "-"),
    Column("serials leaked", lambda incident: "yes" if incident.serials_leaked else "no"),
    Column("stops issuance", lambda incident: "yes" if incident.stops_issuance else "no"),
    Column("exchange by", lambda incident: word(Incident.Proof, incident.exchange_proof)),
    Column("exchange from", lambda incident: moment(incident.exchange_from)),
    Column("exchange until", lambda incident: moment(incident.exchange_until)),
    Column("frozen", lambda incident: moment(incident.freeze_time)),
    Column("thawed", lambda incident: moment(incident.thaw_time)),
    Column("closed", lambda incident: moment(incident.close_time)),
)


def add_incident(parser: argparse.ArgumentParser) -> None:
    """Add the program and one incident."""
    parser.add_argument("program")
    parser.add_argument("incident", help="its id, a UUID")


async def get_incident(client: VaultClient, parsed: argparse.Namespace, *, triage: bool = False) -> GetIncidentResponse:
    """Read the incident that the arguments name.

    Raises:
        VaultError: The vault refused.
    """
    request = GetIncidentRequest(program=parsed.program, incident_id=parsed.incident, triage=triage)
    return await client.call(client.incidents.GetIncident, request, max(parsed.timeout, PATIENCE_SECONDS))


def show_incident(output: Output, incident: Incident) -> None:
    """Show people an incident; nothing where JSON is asked for."""
    if not output.as_json:
        output.one(incident, DETAIL)


def plain_incident(incident: Incident) -> dict[str, Any]:
    """Answer an incident for programs."""
    return plain(incident)


def seen_first(client: VaultClient, parsed: argparse.Namespace, output: Output, what: str) -> Preview:
    """Make a preview that shows the incident as it is and tells what would be done to it."""

    async def preview() -> Mapping[str, Any]:
        incident = (await get_incident(client, parsed)).incident
        show_incident(output, incident)
        say(output, f"would {what}")
        return {"would": what, "incident": plain_incident(incident)}

    return preview


def of(incident: Incident, verb: str, *more: str) -> str:
    """Answer what to type for a verb of ``cardvault incident`` over an incident."""
    return command("incident", *verb.split(), incident.program, incident.incident_id, *more)


def steps_of(incident: Incident, jobs: Sequence[RotationJob] = ()) -> list[str]:
    """Answer what to do next, from how far an incident and its re-issues are."""
    if incident.state == Incident.STATE_CLOSED:
        return [f"{of(incident, 'report', '--out', 'FILE')}  writes the signed report"]
    steps = []
    if _is_chosen(incident) and incident.state == Incident.STATE_OPEN and not incident.HasField("freeze_time"):
        steps.append(f"{of(incident, 'add', '--cards-from', 'FILE', '--apply')}  adds cards, `found` adds codes")
    if incident.state == Incident.STATE_OPEN and not incident.HasField("thaw_time"):
        belonging = ("--program", incident.program, "--incident", incident.incident_id)
        words = command("incident", "block", "PRINCIPAL", "--note", "WHY", *belonging, "--apply")
        steps += [
            f"{of(incident, 'triage')}  counts the cards by state and usage",
            f"{words}  cuts off who leaked",
            f"{of(incident, 'freeze', '--apply')}  makes no code of it good, from the next answer on",
        ]
    return steps + _steps_to_end(incident, jobs)


def _steps_to_end(incident: Incident, jobs: Sequence[RotationJob]) -> list[str]:
    steps = []
    running = [job for job in jobs if job.state in (RotationJob.STATE_RUNNING, RotationJob.STATE_PAUSED)]
    done = [job for job in jobs if job.state == RotationJob.STATE_DONE]
    if running:
        steps += [f"{job_command('watch', job)}  shows how far the re-issue is" for job in running]
    elif not done and incident.state == Incident.STATE_FROZEN:
        words = ("--incident", incident.incident_id, "--recipient", "RECIPIENT", "--apply")
        steps.append(f"{command('rotate', 'reissue', incident.program, *words)}  gives its cards new codes")
    elif done:
        if late := _joined_late(incident, done):
            words = ("--cards-from", "FILE", "--recipient", "RECIPIENT", "--apply")
            what = f"gives new codes to the {late:,} cards that joined it after the re-issue"
            steps.append(f"{command('rotate', 'reissue', incident.program, *words)}  {what}")
        steps.append(f"{job_command('export', done[-1], '--out', 'FILE')}  saves the new codes for its recipient")
        if not incident.HasField("exchange_until"):
            words = ("--proof", "purchase" if incident.serials_leaked else "serial", "--until", "DATE", "--apply")
            steps.append(f"{of(incident, 'exchange open', *words)}  lets holders trade old codes for new ones")
    if incident.state == Incident.STATE_FROZEN:
        steps.append(f"{of(incident, 'thaw', '--apply')}  lifts the freeze, when the old codes are replaced")
    elif incident.HasField("thaw_time"):
        steps.append(f"{of(incident, 'report', '--out', 'FILE')}  writes the signed report, now or later")
        if incident.exchange_until.seconds > time.time():
            steps.append(f"{of(incident, 'exchange close', '--apply')}  ends the exchange, which closing waits for")
        steps.append(f"{of(incident, 'close', '--apply')}  closes it for good")
    return steps


def _joined_late(incident: Incident, done: Sequence[RotationJob]) -> int:
    """Answer how many chosen cards no re-issue that is done has gone through."""
    return max(0, incident.card_count - max(job.seen_count for job in done)) if _is_chosen(incident) else 0


def _is_chosen(incident: Incident) -> bool:
    return incident.scope == Incident.SCOPE_CARDS
