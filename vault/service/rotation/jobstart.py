"""Beginning a rotation job: what is checked, what is counted, and which jobs do not go together."""

from collections.abc import Mapping
from typing import NamedTuple

from vault.errors import FailedPrecondition, InvalidInput, NotFound
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.model.incident_rows import IncidentRow
from vault.model.rows import CardRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.service.incidents.added import found_cards
from vault.service.incidents.timeline import open_incident_of
from vault.service.issuing.batches import batch_of
from vault.service.issuing.delivery import recipient_of
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.cardsource import CHOSEN, INCIDENT, PROGRAM, Source, count_meant, size_of, source_of
from vault.service.rotation.choice import Act, Choice
from vault.service.rotation.joborder import ReissueOrder, RotationOrder
from vault.service.rotation.naming import rows_to_move
from vault.service.rotation.promotion import rivals
from vault.service.select import Selected, select


class Survey(NamedTuple):
    """What a job will go through: cards or rows, and of a re-issue those that are meant, by state and usage."""

    total: int
    counts: Mapping[tuple[int, int], int]


async def survey(recorder: Recorder, order: RotationOrder, spec: JobSpec) -> Survey:
    """Count on a snapshot, so that no writer waits. Cards that are chosen one by one are counted when they are.

    Raises:
        as ``check``.
    """
    if order.reissue is None:
        return await recorder.store.read(lambda tx: _survey_rows(recorder.scope(tx), order, spec))
    total, source = await recorder.store.read(lambda tx: _survey_source(recorder.scope(tx), order, spec))
    if spec.source == CHOSEN:
        return Survey(0, {})
    return Survey(total, await count_meant(recorder, source, Choice.of(order.program, spec)))


def check(scope: Scope, order: RotationOrder, spec: JobSpec) -> IncidentRow | None:
    """Check an order, and return its incident; None where there is none.

    Raises:
        InvalidInput: The kind needs a program, or has none.
        NotFound: There is no such program, batch, incident or recipient.
        FailedPrecondition: The program is closed to a re-issue, or the incident is closed.
        IntegrityFailure: A row is not what the vault wrote.
    """
    if bool(order.program) == (order.kind == JobKind.RETAG):
        message = "row tags are the whole vault's; every other job is a program's"
        raise InvalidInput(message, reason="PROGRAM", field="program")
    if order.reissue is None:
        if order.program:
            scope.snapshot.program(order.program)
        return None
    scope.snapshot.open_program(order.program)
    for batch_id in spec.batch_ids:
        batch_of(scope, order.program, batch_id)
    if spec.recipient:
        recipient_of(scope, order.program, spec.recipient)
    return open_incident_of(scope, order.program, order.reissue.incident_id) if spec.source == INCIDENT else None


def choose_first(scope: Scope, program: str, order: ReissueOrder) -> list[Selected]:
    """Look for the cards that an order names; each has its own outcome.

    Raises:
        NotFound: None is there, and none can be added any more.
    """
    found = select(scope, program, order.cards or ())
    if not (found_cards(found) or order.await_start):
        message = "none of the cards is in the program"
        raise NotFound(message, reason="CARD_NOT_FOUND", field="reissue.cards")
    return found


def count_cards(choice: Choice, cards: list[CardRow]) -> dict[tuple[int, int], int]:
    """Count those of some cards that are meant, by state and usage."""
    counts: dict[tuple[int, int], int] = {}
    for card in cards:
        if choice.act(card) is not Act.LEAVE:
            counts[card.state, card.usage] = counts.get((card.state, card.usage), 0) + 1
    return counts


def check_alone(scope: Scope, job: JobRow, spec: JobSpec) -> None:
    """Check that no unfinished job would be undone by a new one, or undo its work.

    Raises:
        FailedPrecondition: JOB_RUNNING: one would; metadata ``job_id``.
    """
    for other in scope.tx.jobs.unfinished(job.program):
        scope.snapshot.tagger.verify(SHAPES["job"], other)
        if _collide(job, spec, other):
            name = JobState(other.state).name.lower()
            raise FailedPrecondition(
                f"a job that does the same is {name}; wait for its end or cancel it",
                reason="JOB_RUNNING",
                metadata={"job_id": other.job_id.hex()},
            )


def _collide(job: JobRow, spec: JobSpec, other: JobRow) -> bool:
    if job.kind != JobKind.REISSUE:
        return rivals(JobKind(job.kind), JobKind(other.kind))
    if other.kind != JobKind.REISSUE:
        return False
    theirs = JobSpec.FromString(other.spec or b"")
    if spec.source != theirs.source or spec.source == CHOSEN:
        return False
    if spec.source == PROGRAM:
        ours, others = set(spec.batch_ids), set(theirs.batch_ids)
        return not ours or not others or bool(ours & others)
    return job.subject == other.subject


def _survey_rows(scope: Scope, order: RotationOrder, spec: JobSpec) -> Survey:
    check(scope, order, spec)
    return Survey(rows_to_move(scope.tx, order.kind, order.program), {})


def _survey_source(scope: Scope, order: RotationOrder, spec: JobSpec) -> tuple[int, Source]:
    incident = check(scope, order, spec)
    subject = b"" if incident is None else incident.incident_id
    source = source_of(order.program, spec, subject, incident)
    return (0 if spec.source == CHOSEN else size_of(scope, source, incident)), source
