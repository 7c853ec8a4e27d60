"""Incidents' rows, and the timeline of what officers did on them.

1. Each change of an incident is one act of an officer: it takes the next revision, and a step of the same
   number tells who did what, when, in the same transaction. So steps are as many as the revision says, and one
   that was deleted is noticed.
2. Whoever acts on an incident writes its row, so of two acts at the same time one sees what the other did.
"""

from collections.abc import Sequence

from vault.audit.event import Event
from vault.errors import FailedPrecondition, IntegrityFailure, NotFound
from vault.model.incident_rows import IncidentRow, IncidentStepRow
from vault.model.shape import SHAPES
from vault.model.states import IncidentState
from vault.policy.call import Call
from vault.service.recorder import Scope, event_of
from vault.service.rotation.jobview import JobView, view_of


def incident_of(scope: Scope, program: str, incident_id: bytes) -> IncidentRow:
    """Return a program's incident.

    Raises:
        NotFound: There is no such program, or no such incident in it.
        IntegrityFailure: The row is not what the vault wrote.
    """
    scope.snapshot.program(program)
    row = scope.tx.incidents.get(incident_id)
    if row is not None:
        scope.snapshot.tagger.verify(SHAPES["incident"], row)
    if row is None or row.program != program:
        raise NotFound("there is no such incident in the program", reason="INCIDENT_NOT_FOUND", field="incident_id")
    return row


def open_incident_of(scope: Scope, program: str, incident_id: bytes) -> IncidentRow:
    """Return a program's incident that is not closed.

    Raises:
        NotFound: There is no such program, or no such incident in it.
        FailedPrecondition: INCIDENT_CLOSED: it is closed.
        IntegrityFailure: The row is not what the vault wrote.
    """
    row = incident_of(scope, program, incident_id)
    if row.state == IncidentState.CLOSED:
        raise FailedPrecondition("the incident is closed", reason="INCIDENT_CLOSED", field="incident_id")
    return row


def begin(scope: Scope, call: Call, row: IncidentRow) -> IncidentRow:
    """Write a new incident and its first step, and return it."""
    row = scope.snapshot.tagger.tagged(SHAPES["incident"], row._replace(revision=1))
    scope.tx.incidents.insert(row)
    _add_step(scope, call, row, row.card_count, "")
    return row


def act(scope: Scope, call: Call, row: IncidentRow, *, count: int = 0, note: str = "") -> IncidentRow:
    """Take down an act on an incident, and return the incident afterwards.

    Args:
        scope: The transaction; whoever changes more than ``card_count`` bumps the catalogue in it too.
        call: Whose act it is; its method's name is the step's action.
        row: The incident as it was read in this transaction, its columns as they shall be.
        count: What belongs to the act: cards frozen, added, and so on.
        note: The officer's words, or whom the act concerned.
    """
    changed = scope.snapshot.tagger.tagged(SHAPES["incident"], row._replace(revision=row.revision + 1))
    scope.tx.incidents.update(changed)
    _add_step(scope, call, changed, count, note)
    return changed


def _add_step(scope: Scope, call: Call, row: IncidentRow, count: int, note: str) -> None:
    action = call.method.rpartition("/")[2]
    step = IncidentStepRow(row.incident_id, row.revision, action, call.principal, scope.now_ms, count, note, b"")
    scope.tx.incidents.add_step(scope.snapshot.tagger.tagged(SHAPES["incident_step"], step))


def steps_of(scope: Scope, row: IncidentRow) -> Sequence[IncidentStepRow]:
    """Return every step of an incident, by number.

    Raises:
        IntegrityFailure: ROW_TAG or TIMELINE: one is missing or not what the vault wrote.
    """
    steps = scope.tx.incidents.steps(row.incident_id)
    for step in steps:
        scope.snapshot.tagger.verify(SHAPES["incident_step"], step)
    if [step.number for step in steps] != list(range(1, row.revision + 1)):
        raise IntegrityFailure("steps of the incident are missing", reason="TIMELINE")
    return steps


def jobs_of(scope: Scope, row: IncidentRow) -> Sequence[JobView]:
    """Return an incident's jobs, oldest first.

    Raises:
        IntegrityFailure: A row is not what the vault wrote.
    """
    jobs = scope.tx.jobs.of_subject(row.incident_id)
    for job in jobs:
        scope.snapshot.tagger.verify(SHAPES["job"], job)
    return [view_of(scope, job) for job in jobs]


def incident_event(call: Call, program: str, incident_id: bytes) -> Event:
    """Begin the event of a call that concerns an incident."""
    return event_of(call, program=program)._replace(subject=f"incident/{incident_id.hex()}")
