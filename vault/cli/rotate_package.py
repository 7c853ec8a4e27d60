"""``cardvault rotate export``, ``acknowledge`` and ``lineage``: handing out what a re-issue made.

A package is sealed to the job's recipient; the lineage is serials, old and new. Neither holds a code in clear.
"""

import argparse
from pathlib import Path

from vault.cli.applying import add_applying, command, finish, go_ahead, say, would
from vault.cli.batch import MANIFEST, parse_sha256
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.jobs import job_command, plain_job, show_job
from vault.cli.lineage import save_lineage
from vault.cli.output import Column, Output, moment, plain, word
from vault.cli.paging import add_limit, collect
from vault.cli.progress import progress_bar
from vault.cli.rotate_jobs import add_job, get_job
from vault.client.channel import VaultClient
from vault.client.export import save_rotation_package
from vault.v1.resources_pb2 import Card
from vault.v1.rotation_service_pb2 import (
    AcknowledgeRotationPackageRequest,
    ListReissuedCardsRequest,
    ReissuedCard,
)

LINEAGE: tuple[Column[ReissuedCard], ...] = (
    Column("card", lambda card: card.card_id),
    Column("old serial", lambda card: card.superseded_serial),
    Column("new serial", lambda card: card.serial),
    Column("generation", lambda card: str(card.generation)),
    Column("state", lambda card: word(Card.State, card.state)),
    Column("re-issued", lambda card: moment(card.reissue_time)),
)


def add_packages(actions: Actions) -> None:
    """Add the actions that hand out what a re-issue made."""
    export = actions.add("export", _export, "save the package of new codes, sealed to the job's recipient")
    add_job(export)
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the package goes")
    acknowledge = actions.add("acknowledge", _acknowledge, "confirm that the recipient holds the package")
    add_job(acknowledge)
    acknowledge.add_argument("--sha256", required=True, metavar="HEX", help="of the package as the recipient holds it")
    add_applying(acknowledge)
    lineage = actions.add("lineage", _lineage, "list the cards that a re-issue gave new codes")
    add_job(lineage)
    lineage.add_argument("--out", type=Path, metavar="FILE", help="new file for every OLD,NEW serial, one pair a line")
    add_limit(lineage)


async def _export(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    with progress_bar("export", quiet=output.as_json) as report:
        manifest = await save_rotation_package(client, parsed.program, parsed.job, parsed.out, report)
    digest = ("--sha256", manifest.sha256.hex(), "--apply")
    steps = [
        f"hand {parsed.out} to its recipient, who opens it with `cardvault package open`",
        f"when they hold it whole: {command('rotate', 'acknowledge', parsed.program, parsed.job, *digest)}",
    ]
    if not output.as_json:
        output.one(manifest, MANIFEST)
    return finish(output, {"manifest": plain(manifest), "file": str(parsed.out)}, steps, applied=None)


async def _acknowledge(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    digest = parse_sha256(parsed.sha256)
    job = await get_job(client, parsed.program, parsed.job)
    show_job(output, job)
    what = "take down that the recipient holds the package, and forget its key: it cannot be exported again"
    if not await go_ahead(parsed, output, parsed.program, would(output, what, job=plain_job(job))):
        return EXIT_DONE
    request = AcknowledgeRotationPackageRequest(program=parsed.program, job_id=parsed.job, sha256=digest)
    job = (await client.call(client.rotation.AcknowledgeRotationPackage, request)).job
    steps = ["acknowledged; the package's key is forgotten"]
    if job.incident_id:
        steps.append(f"{command('incident', 'show', job.program, job.incident_id)}  says what is next")
    return finish(output, {"job": plain_job(job)}, steps)


async def _lineage(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    if parsed.out:
        job = await get_job(client, parsed.program, parsed.job)
        lineage = await save_lineage(client, [job], parsed.out, quiet=output.as_json)
        say(output, f"{lineage.entries:,} pairs of old and new serial in {parsed.out}, SHA-256 {lineage.sha256}")
        steps = [f"{job_command('show', job)}  shows the job"]
        return finish(output, {**lineage._asdict(), "file": str(parsed.out)}, steps, applied=None)
    request = ListReissuedCardsRequest(program=parsed.program, job_id=parsed.job)
    output.many(await collect(client, client.rotation.ListReissuedCards, request, "cards", parsed.limit), LINEAGE)
    return EXIT_DONE
