"""A rotation job as it is answered: its row, what it was asked, how far it is, and its package."""

from collections.abc import Mapping
from typing import NamedTuple

from vault.audit.event import Event
from vault.errors import FailedPrecondition, NotFound
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.model.incident_rows import PackageRow
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.policy.call import Call
from vault.service.recorder import Scope, event_of
from vault.service.rotation.cardsource import INCIDENT

ROTATIONS = frozenset({JobKind.REISSUE, JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT, JobKind.RETAG})
"""Kinds that RotationService answers for; batches answer for theirs."""

UNFINISHED = frozenset({JobState.RUNNING, JobState.PAUSED})

_DRAINING = ("promote", "settle", "drain", "prove")
PHASES: Mapping[int, tuple[str, ...]] = {
    JobKind.REKEY: ("promote", "settle", "drain", "compare", "flip", "settle", "clear", "prove"),
    JobKind.REWRAP: _DRAINING,
    JobKind.REENCRYPT: _DRAINING,
    JobKind.RETAG: _DRAINING,
}
"""What a kind's phases are called, in the order in which ``JobProgress.phase`` counts them."""


class JobView(NamedTuple):
    """A job."""

    row: JobRow
    spec: JobSpec
    progress: JobProgress
    package: PackageRow | None = None

    @property
    def incident_id(self) -> bytes:
        """The incident whose cards it re-issues, 16 bytes; empty where there is none."""
        return self.row.subject if self.row.kind == JobKind.REISSUE and self.spec.source == INCIDENT else b""

    @property
    def phase(self) -> str:
        """What it is at, one word; empty for a kind of one phase."""
        names = PHASES.get(self.row.kind, ())
        return names[self.progress.phase] if self.progress.phase < len(names) else ""

    @property
    def ended(self) -> bool:
        """Whether nothing will be done any more."""
        return self.row.state not in UNFINISHED


def job_of(scope: Scope, program: str, job_id: bytes) -> JobRow:
    """Return a program's rotation job, or one of the vault's own (``program`` empty).

    Raises:
        NotFound: There is no such program, or no such job in it.
        IntegrityFailure: The row is not what the vault wrote.
    """
    if program:
        scope.snapshot.program(program)
    row = scope.tx.jobs.get(job_id)
    if row is not None:
        scope.snapshot.tagger.verify(SHAPES["job"], row)
    if row is None or row.program != program or row.kind not in ROTATIONS:
        raise NotFound("there is no such job in the program", reason="JOB_NOT_FOUND", field="job_id")
    return row


def view_of(scope: Scope, row: JobRow) -> JobView:
    """Return the view of a job whose row was verified.

    Raises:
        IntegrityFailure: Its package's row is not what the vault wrote.
    """
    spec = JobSpec.FromString(row.spec or b"")
    package = scope.tx.reissues.package(row.job_id) if spec.recipient else None
    if package is not None:
        scope.snapshot.tagger.verify(SHAPES["package"], package)
    return JobView(row, spec, JobProgress.FromString(row.progress or b""), package)


def put_job(scope: Scope, row: JobRow) -> JobRow:
    """Write a changed job, and return it with its tag."""
    tagged = scope.snapshot.tagger.tagged(SHAPES["job"], row)
    scope.tx.jobs.update(tagged)
    return tagged


def refuse_state(row: JobRow) -> FailedPrecondition:
    """Return the refusal of what cannot be done to a job as it is."""
    name = JobState(row.state).name
    return FailedPrecondition(f"the job is {name.lower()}", reason=f"JOB_{name}", field="job_id")


def job_event(call: Call, row: JobRow, *, reason: str = "") -> Event:
    """Return the event of a call that is about a job."""
    return event_of(call, program=row.program, reason=reason)._replace(subject=f"job/{row.job_id.hex()}")
