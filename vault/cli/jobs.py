"""Showing rotation jobs, and watching one until it has ended.

1. Watching does nothing to the job: Ctrl-C leaves it running, and how to watch, pause and cancel it is told.
2. The exit status tells how it ended: 0 done, 3 done with errors, paused, or ended after some work, 1 ended
   before any.
"""

import asyncio
import sys
from contextlib import ExitStack
from typing import Any

from vault.cli.applying import command, shown_program
from vault.cli.failure import EXIT_DONE, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_PARTLY
from vault.cli.output import Column, Output, moment, plain, word
from vault.cli.progress import Report, progress_bar
from vault.client.channel import VaultClient
from vault.v1.resources_pb2 import RotationJob

LIST: tuple[Column[RotationJob], ...] = (
    Column("job", lambda job: job.job_id or "(not created)"),
    Column("kind", lambda job: word(RotationJob.Kind, job.kind)),
    Column("state", lambda job: word(RotationJob.State, job.state)),
    Column("phase", lambda job: job.phase or "-"),
    Column("total", lambda job: f"{job.total_count:,}"),
    Column("seen", lambda job: f"{job.seen_count:,}"),
    Column("done", lambda job: f"{job.done_count:,}"),
    Column("errors", lambda job: f"{job.error_count:,}"),
    Column("created", lambda job: moment(job.create_time)),
)
DETAIL: tuple[Column[RotationJob], ...] = (
    *LIST,
    Column("program", lambda job: shown_program(job.program)),
    Column("incident", lambda job: job.incident_id or "-"),
    Column("withdrawn", lambda job: f"{job.withdrawn_count:,}"),
    Column("left as they were", lambda job: f"{job.skipped_count:,}"),
    Column("last error", lambda job: job.last_error or "-"),
    Column("created by", lambda job: job.principal or "-"),
    Column("ended", lambda job: moment(job.finish_time)),
    Column("package", lambda job: f"{job.manifest.size_bytes:,} bytes" if job.manifest.sha256 else "-"),
)


def show_job(output: Output, job: RotationJob) -> None:
    """Show people a job; nothing where JSON is asked for."""
    if not output.as_json:
        output.one(job, DETAIL)


def plain_job(job: RotationJob) -> dict[str, Any]:
    """Answer a job for programs."""
    return plain(job)


def job_command(verb: str, job: RotationJob, *more: str) -> str:
    """Answer what to type for a verb of ``cardvault rotate`` over a job."""
    return command("rotate", verb, shown_program(job.program), job.job_id, *more)


async def watch(client: VaultClient, output: Output, job: RotationJob) -> tuple[RotationJob, int]:
    """Watch a job with a progress bar until it has ended or is paused; answer it and the exit status.

    Raises:
        VaultError: The vault refused, or was away for too long; the job goes on all the same.
    """
    states = client.watch_job(job.program, job.job_id)
    try:
        with ExitStack() as bars:
            phase = ""
            report: Report | None = None
            async for job in states:  # noqa: PLR1704  # the same job, later
                if report is None or job.phase != phase:
                    bars.close()
                    phase = job.phase
                    title = f"{word(RotationJob.Kind, job.kind)} {phase}".strip()
                    report = bars.enter_context(progress_bar(title, quiet=output.as_json))
                report(job.seen_count, max(job.total_count, job.seen_count))
                if job.state == RotationJob.STATE_PAUSED:
                    break
    except asyncio.CancelledError:
        _tell_detached(job)
        return job, EXIT_INTERRUPTED
    return job, status_of(job)


def status_of(job: RotationJob) -> int:
    """Answer the exit status for a job as it is."""
    if job.state == RotationJob.STATE_DONE:
        return EXIT_PARTLY if job.error_count else EXIT_DONE
    if job.state == RotationJob.STATE_RUNNING:
        return EXIT_DONE
    done = job.done_count or job.withdrawn_count or job.state == RotationJob.STATE_PAUSED
    return EXIT_PARTLY if done else EXIT_FAILED


def steps_after(job: RotationJob) -> list[str]:
    """Answer what to do next, from a job's kind and state."""
    match job.state:
        case RotationJob.STATE_RUNNING:
            return [f"{job_command('watch', job)}  shows how far it is"]
        case RotationJob.STATE_PAUSED:
            return [
                f"{job_command('resume', job, '--apply')}  lets it go on",
                f"{job_command('cancel', job, '--apply')}  ends it; what is done stays done",
            ]
        case RotationJob.STATE_DONE:
            return _after_done(job)
        case _:
            return [
                "what is done stays done; `cardvault audit list` and the vault's log say why it ended",
                *_export(job),
                _start_another(job),
            ]


def _start_another(job: RotationJob) -> str:
    if job.kind == RotationJob.KIND_REISSUE:
        return "start another: it gives every card a new code once more, those of this job too"
    return "start another for the rest: a row that is done already is passed over"


def _export(job: RotationJob) -> list[str]:
    if not job.recipient or not job.done_count or job.HasField("acknowledge_time"):
        return []
    return [f"{job_command('export', job, '--out', 'FILE')}  saves the package of new codes for {job.recipient}"]


def _after_done(job: RotationJob) -> list[str]:
    steps = []
    if job.error_count:
        steps.append(
            f"{job.error_count:,} failed their integrity check and were left as they were: the vault's log names "
            "them (row_refused); somebody or something changed them, find out before all else"
        )
    if job.kind == RotationJob.KIND_REISSUE:
        if job.incident_id:
            steps.append(f"{command('incident', 'show', job.program, job.incident_id)}  says what is next")
        steps.append(f"{job_command('lineage', job, '--out', 'FILE')}  lists old and new serials")
        steps += _export(job)
    else:
        words = ("keys", "list", *(("--program", job.program) if job.program else ()), "--count-rows")
        steps.append(f"{command(*words)}  shows that no row names the old version; then it can be destroyed")
    return steps


def _tell_detached(job: RotationJob) -> None:
    print(
        "\n".join(
            (
                "",
                "The job goes on without you.",
                f"  {job_command('watch', job)}",
                f"  {job_command('pause', job, '--apply')}",
                f"  {job_command('cancel', job, '--apply')}",
            )
        ),
        file=sys.stderr,
    )
