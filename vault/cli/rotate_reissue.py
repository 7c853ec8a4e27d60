"""``cardvault rotate reissue`` and ``add``: new codes for cards; their ids, states, usage and records stay.

Cards from a file are sent in parts before the job starts. When some of them cannot be found the job is left
paused, and whether it starts without them is decided by ``rotate resume``.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.duration_pb2 import Duration

from vault.cli.applying import add_applying, command, finish, go_ahead, say, would
from vault.cli.card_file import (
    Portion,
    Sent,
    add_cards_from,
    read_cards,
    send_cards,
    sent_cards,
    show_refused,
    show_sent,
)
from vault.cli.card_listing import USAGES, usage_number
from vault.cli.connection import Actions
from vault.cli.counting import added, plain_counts, show_counts
from vault.cli.failure import EXIT_DONE, UsageProblem
from vault.cli.jobs import job_command, plain_job, show_job
from vault.cli.output import Output
from vault.cli.rotate_jobs import add_detach, add_job, follow, get_job
from vault.cli.selection import portions
from vault.cli.timing import parse_instant
from vault.client.channel import VaultClient
from vault.v1.resources_pb2 import Card, CardChange, CardCount, CardList, CardSelector, RotationJob
from vault.v1.rotation_service_pb2 import (
    AddToRotationJobRequest,
    CardFilter,
    CreateRotationJobRequest,
    CreateRotationJobResponse,
    Reissue,
    ResumeRotationJobRequest,
)

STATES = ("inactive", "active", "suspended")
UNSOLD = ("reissue", "withdraw", "leave")
PATIENCE_SECONDS = 300.0
"""Deadline of calls that count cards or rows of whole tables."""


def add_reissues(actions: Actions) -> None:
    """Add the actions that give cards new codes."""
    reissue = actions.add("reissue", _reissue, "give cards new codes, by a job")
    reissue.add_argument("program")
    which = reissue.add_mutually_exclusive_group(required=True)
    which.add_argument("--incident", default="", metavar="ID", help="the cards of this incident")
    which.add_argument("--whole-program", action="store_true", help="every card of the program")
    add_cards_from(which, required=False, which="only these cards")
    narrow = reissue.add_argument_group("only cards that match all of these")
    narrow.add_argument("--batch", dest="batches", action="append", default=[], metavar="ID", help="of this batch")
    narrow.add_argument("--state", dest="states", action="append", default=[], choices=STATES, help="in this state")
    narrow.add_argument("--usage", dest="usages", action="append", default=[], choices=USAGES, help="of this usage")
    narrow.add_argument("--issued-from", type=parse_instant, metavar="TIME", help="issued then or later")
    narrow.add_argument("--issued-before", type=parse_instant, metavar="TIME", help="issued earlier")
    reissue.add_argument("--unsold", choices=UNSOLD, default="reissue", help="what becomes of cards never sold")
    reissue.add_argument("--recipient", default="", help="whom the package of new codes is sealed to")
    reissue.add_argument(
        "--package-unsold-only", action="store_true", help="the package holds only codes of cards never sold"
    )
    add_starting(reissue)
    add = actions.add("add", _add, "add cards to a re-issue that has not started")
    add_job(add)
    add_cards_from(add, required=True)
    add_applying(add)


def add_starting(parser: argparse.ArgumentParser) -> None:
    """Add what every action that starts a job takes."""
    parser.add_argument("--rest", type=int, default=0, metavar="SECONDS", help="rest between chunks, 0 to 60 (0)")
    parser.add_argument("--note", default="", help="why, for the audit log; must not hold a code")
    add_detach(parser)
    add_applying(parser)


def new_job(parsed: argparse.Namespace, program: str) -> CreateRotationJobRequest:
    """Answer a request for a job, its work still to be set."""
    rest = Duration(seconds=parsed.rest) if parsed.rest else None
    return CreateRotationJobRequest(program=program, rest=rest, note=parsed.note)


async def _reissue(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    cards = read_cards(parsed.cards_from) if parsed.cards_from else []
    if cards:
        return await _reissue_chosen(client, parsed, output, cards)

    async def preview() -> Mapping[str, Any]:
        return _show_meant(output, (await _create(client, parsed, (), validate_only=True)).counts)

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    answer = await _create(client, parsed, ())
    return await follow(client, parsed, output, answer.job, counts=plain_counts(answer.counts))


async def _reissue_chosen(
    client: VaultClient, parsed: argparse.Namespace, output: Output, cards: Sequence[CardSelector]
) -> int:
    found, counts = await _look_up(client, parsed, cards)

    async def preview() -> Mapping[str, Any]:
        say(output, f"{found.added:,} of {found.total:,} cards of the file are in the program")
        show_refused(output, found)
        told = {"cards_given": found.total, "cards_known": found.added, "not_known": found.plain()["not_added"]}
        return {**told, **_show_meant(output, counts)}

    if not await go_ahead(parsed, output, parsed.program, preview):
        return EXIT_DONE
    created = await _create(client, parsed, next(portions(cards)))
    job = created.job
    sent = await _send(client, output, job, cards, created.changes)
    if sent.status:
        return _leave_paused(output, job, sent)
    request = ResumeRotationJobRequest(program=parsed.program, job_id=job.job_id)
    job = (await client.call(client.rotation.ResumeRotationJob, request)).job
    return await follow(client, parsed, output, job, chosen=sent.plain())


def _show_meant(output: Output, counts: Sequence[CardCount]) -> dict[str, Any]:
    say(output, "would give new codes to these cards:")
    show_counts(output, counts)
    return {"would": "reissue", "counts": plain_counts(counts)}


async def _look_up(
    client: VaultClient, parsed: argparse.Namespace, cards: Sequence[CardSelector]
) -> tuple[Sent, list[CardCount]]:
    """Answer which cards are in the program, and the counts of those that are meant.

    Raises:
        UsageProblem: None is.
    """
    counts: list[Sequence[CardCount]] = []
    changes: list[CardChange] = []
    for portion in portions(cards):
        looked = await _create(client, parsed, portion, validate_only=True)
        counts.append(looked.counts)
        changes += looked.changes
    found = sent_cards(changes)
    if not found.added:
        message = "no card of the file is in the program"
        raise UsageProblem(message)
    return found, added(counts)


async def _create(
    client: VaultClient, parsed: argparse.Namespace, cards: Sequence[CardSelector], *, validate_only: bool = False
) -> CreateRotationJobResponse:
    request = new_job(parsed, parsed.program)
    request.reissue.CopyFrom(_work(parsed, cards))
    request.validate_only = validate_only
    return await client.call(client.rotation.CreateRotationJob, request, max(parsed.timeout, PATIENCE_SECONDS))


def _work(parsed: argparse.Namespace, cards: Sequence[CardSelector]) -> Reissue:
    work = Reissue(
        unsold=Reissue.Unsold.Value(f"UNSOLD_{parsed.unsold.upper()}"),
        recipient=parsed.recipient,
        package_unsold_only=parsed.package_unsold_only,
    )
    wanted = CardFilter(
        batch_ids=parsed.batches,
        states=[Card.State.Value(f"STATE_{state.upper()}") for state in parsed.states],
        usages=[usage_number(usage) for usage in parsed.usages],
        issued_from=parsed.issued_from,
        issued_before=parsed.issued_before,
    )
    if wanted.ListFields():
        work.filter.CopyFrom(wanted)
    if cards:
        work.cards.CopyFrom(CardList(cards=cards))
        work.await_start = True
    elif parsed.incident:
        work.incident_id = parsed.incident
    else:
        work.whole_program = True
    return work


async def _send(
    client: VaultClient,
    output: Output,
    job: RotationJob,
    cards: Sequence[CardSelector],
    already: Sequence[CardChange] = (),
) -> Sent:
    """Send every card but the first ones, whose outcomes creating the job has told already."""

    async def send(portion: Portion) -> Sequence[CardChange]:
        request = AddToRotationJobRequest(program=job.program, job_id=job.job_id, cards=portion)
        return (await client.call(client.rotation.AddToRotationJob, request)).changes

    go_on = (job_command("add", job, "--cards-from", "FILE", "--apply"), job_command("resume", job, "--apply"))
    return await send_cards(output, cards, send, ", then ".join(go_on), already)


def _leave_paused(output: Output, job: RotationJob, sent: Sent) -> int:
    show_sent(output, sent)
    finish(
        output,
        {"job": plain_job(job), "chosen": sent.plain()},
        [
            "not every card of the file could be chosen, so the job has not started",
            f"{job_command('resume', job, '--apply')}  starts it without them",
            f"{job_command('cancel', job, '--apply')}  ends it",
        ],
    )
    return sent.status


async def _add(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    cards = read_cards(parsed.cards_from)
    job = await get_job(client, parsed.program, parsed.job)
    show_job(output, job)
    if not await go_ahead(
        parsed, output, parsed.program, would(output, f"add {len(cards):,} cards to it", cards=len(cards))
    ):
        return EXIT_DONE
    sent = await _send(client, output, job, cards)
    show_sent(output, sent)
    steps = [
        f"{job_command('resume', job, '--apply')}  starts it",
        f"{command('rotate', 'show', parsed.program, parsed.job)}  shows it",
    ]
    finish(output, {"job": plain_job(job), "chosen": sent.plain()}, steps)
    return sent.status
