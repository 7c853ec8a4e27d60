"""``cardvault rotate show``, ``list``, ``watch``, ``pause``, ``resume`` and ``cancel``: looking after jobs."""

import argparse
from collections.abc import Mapping
from typing import Any, NamedTuple

from vault.cli.applying import OWN, add_applying, finish, go_ahead, own_or, say
from vault.cli.connection import Actions
from vault.cli.failure import EXIT_DONE
from vault.cli.jobs import LIST, job_command, plain_job, show_job, status_of, steps_after, watch
from vault.cli.output import Output
from vault.cli.paging import add_limit, collect
from vault.client.channel import VaultClient
from vault.errors import FailedPrecondition
from vault.v1.resources_pb2 import RotationJob
from vault.v1.rotation_service_pb2 import (
    CancelRotationJobRequest,
    GetRotationJobRequest,
    ListRotationJobsRequest,
    PauseRotationJobRequest,
    ResumeRotationJobRequest,
)


class _Turn(NamedTuple):
    """What is done to a job: in words, said afterwards, and the states in which that is possible or already so."""

    what: str
    done: str
    possible: frozenset[int]


PAUSE = _Turn("pause it", "paused", frozenset({RotationJob.STATE_RUNNING, RotationJob.STATE_PAUSED}))
RESUME = _Turn("let it go on", "resumed", frozenset({RotationJob.STATE_RUNNING, RotationJob.STATE_PAUSED}))
CANCEL = _Turn(
    "end it for good; what it has done stays done",
    "cancelled",
    frozenset({RotationJob.STATE_RUNNING, RotationJob.STATE_PAUSED, RotationJob.STATE_CANCELLED}),
)
PROGRAM_HELP = f"the program; {OWN} for the vault's own jobs"


def add_jobs(actions: Actions) -> None:
    """Add the actions that look after jobs."""
    add_job(actions.add("show", _show, "show a job and how far it is"))
    listing = actions.add("list", _list, "list a program's jobs, newest first")
    listing.add_argument("program", help=PROGRAM_HELP)
    add_limit(listing)
    add_job(actions.add("watch", _watch, "watch a job until it has ended, with a progress bar"))
    pause = actions.add("pause", _pause, "pause a running job after the chunk at hand")
    resume = actions.add("resume", _resume, "let a paused job go on, or start one that awaits its start")
    cancel = actions.add("cancel", _cancel, "end a job for good; what it has done stays done")
    for action in (pause, resume, cancel):
        add_job(action)
        add_applying(action)
    add_detach(resume)


def add_job(parser: argparse.ArgumentParser) -> None:
    """Add the program and one job."""
    parser.add_argument("program", help=PROGRAM_HELP)
    parser.add_argument("job", help="its id, a UUID")


def add_detach(parser: argparse.ArgumentParser) -> None:
    """Add ``--detach`` to an action that starts a job."""
    parser.add_argument("--detach", action="store_true", help="return at once; the job goes on by itself")


async def get_job(client: VaultClient, program: str, job_id: str) -> RotationJob:
    """Read a job.

    Args:
        client: The client.
        program: The program as it is typed, ``-`` for the vault's own.
        job_id: The job.

    Raises:
        VaultError: The vault refused.
    """
    request = GetRotationJobRequest(program=own_or(program), job_id=job_id)
    return (await client.call(client.rotation.GetRotationJob, request)).job


async def follow(
    client: VaultClient, parsed: argparse.Namespace, output: Output, job: RotationJob, **facts: Any
) -> int:
    """Watch a job that was started, unless ``--detach`` is given; write how it is then, answer the exit status."""
    status = EXIT_DONE
    if not parsed.detach:
        say(output, f"job {job.job_id} runs by itself; Ctrl-C only stops watching it")
        job, status = await watch(client, output, job)
    show_job(output, job)
    finish(output, {**facts, "job": plain_job(job)}, steps_after(job))
    return status


async def _show(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    job = await get_job(client, parsed.program, parsed.job)
    if output.as_json:
        output.value(plain_job(job))
        return status_of(job)
    show_job(output, job)
    finish(output, {}, steps_after(job))
    return status_of(job)


async def _list(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    request = ListRotationJobsRequest(program=own_or(parsed.program))
    output.many(await collect(client, client.rotation.ListRotationJobs, request, "jobs", parsed.limit), LIST)
    return EXIT_DONE


async def _watch(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    job, status = await watch(client, output, await get_job(client, parsed.program, parsed.job))
    show_job(output, job)
    finish(output, {"job": plain_job(job)}, steps_after(job), applied=None)
    return status


async def _pause(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    if not await go_ahead(parsed, output, own_or(parsed.program), _preview(client, parsed, output, PAUSE)):
        return EXIT_DONE
    request = PauseRotationJobRequest(program=own_or(parsed.program), job_id=parsed.job)
    job = (await client.call(client.rotation.PauseRotationJob, request)).job
    show_job(output, job)
    return finish(output, {"job": plain_job(job)}, steps_after(job))


async def _resume(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    if not await go_ahead(parsed, output, own_or(parsed.program), _preview(client, parsed, output, RESUME)):
        return EXIT_DONE
    request = ResumeRotationJobRequest(program=own_or(parsed.program), job_id=parsed.job)
    job = (await client.call(client.rotation.ResumeRotationJob, request)).job
    return await follow(client, parsed, output, job)


async def _cancel(client: VaultClient, parsed: argparse.Namespace, output: Output) -> int:
    if not await go_ahead(parsed, output, own_or(parsed.program), _preview(client, parsed, output, CANCEL)):
        return EXIT_DONE
    request = CancelRotationJobRequest(program=own_or(parsed.program), job_id=parsed.job)
    job = (await client.call(client.rotation.CancelRotationJob, request)).job
    show_job(output, job)
    steps = [f"{job_command('show', job)}  shows what it did", *steps_after(job)]
    return finish(output, {"job": plain_job(job)}, steps)


def _preview(client: VaultClient, parsed: argparse.Namespace, output: Output, turn: _Turn) -> Any:
    async def preview() -> Mapping[str, Any]:
        job = await get_job(client, parsed.program, parsed.job)
        show_job(output, job)
        if job.state not in turn.possible:
            state = RotationJob.State.Name(job.state).removeprefix("STATE_")
            message = f"a job that is {state.lower()} cannot be {turn.done}"
            raise FailedPrecondition(message, reason=f"JOB_{state}")
        say(output, f"would {turn.what}")
        return {"would": turn.what, "job": plain_job(job)}

    return preview
