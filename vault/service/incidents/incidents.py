"""Incidents: opening, reading and closing them, and the window in which their codes are exchanged.

1. An incident is over a whole program, over batches, or over cards that are chosen one by one (see
   ``selection``).
2. It is closed once, for good, when nothing of it is in force any more: it is thawed, its exchange is over, and
   its jobs have ended.
3. The exchange opens only for a proof that did not leak: where serials leaked, a serial proves nothing.
4. When closing the exchange is answered, nothing is exchanged any more in any process.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.errors import FailedPrecondition, InvalidInput
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.incident_rows import IncidentRow
from vault.model.shape import SHAPES
from vault.model.states import IncidentScope, IncidentState, Proof
from vault.policy.call import Call
from vault.service.holds import join_ids
from vault.service.incidents.timeline import act, begin, incident_event, incident_of, jobs_of, open_incident_of
from vault.service.incidents.triage import Triage
from vault.service.issuing.batches import batch_of
from vault.service.issuing.issue import card_ids
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rotation.jobview import JobView
from vault.stores.incidents import Counts


class IncidentPlan(NamedTuple):
    """What a new incident is given; ``batch_ids`` (16 bytes each) only for one over batches."""

    title: str
    scope: IncidentScope
    batch_ids: Sequence[bytes] = ()
    serials_leaked: bool = False


class IncidentView(NamedTuple):
    """An incident; its cards by state and usage, and its jobs, where they were asked for."""

    row: IncidentRow
    counts: Counts
    jobs: Sequence[JobView] = ()


class ExchangeWindow(NamedTuple):
    """When and for what proof codes are exchanged; ``from_ms`` None: from now on."""

    proof: Proof
    from_ms: int | None
    until_ms: int


class Incidents:
    """Opens, reads and closes incidents."""

    def __init__(self, recorder: Recorder, triage: Triage, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._triage = triage
        self._random = random

    async def open(self, call: Call, program: str, plan: IncidentPlan, *, validate_only: bool) -> IncidentView:
        """Open an incident and count the cards it is over; when only validated it has no id.

        Raises:
            InvalidInput: Batches are named for an incident that is not over batches, or none for one that is.
            NotFound: There is no such program or batch.
            IntegrityFailure: A row is not what the vault wrote.
        """
        if bool(plan.batch_ids) != (plan.scope == IncidentScope.BATCHES):
            message = "name the batches of an incident that is over batches, and of no other"
            raise InvalidInput(message, reason="BATCHES", field="batch_ids")
        batch_ids = join_ids(set(plan.batch_ids))
        counts: Counts = {}
        if plan.scope != IncidentScope.CARDS:
            counts = await self._triage.count(program, plan.scope, batch_ids, b"")

        def work(scope: Scope) -> Recorded[IncidentRow]:
            scope.snapshot.program(program)
            for batch_id in plan.batch_ids:
                batch_of(scope, program, batch_id)
            incident_id = b"" if validate_only else card_ids(1, self._random)[0]
            row = _new(incident_id, program, plan, batch_ids, call.principal, scope.now_ms)
            if validate_only:
                return Recorded(row, event_of(call, program=program, reason="VALIDATE_ONLY"))
            row = begin(scope, call, row)
            self._recorder.catalogue.bump(scope.tx)
            return Recorded(row, incident_event(call, program, incident_id))

        row = await self._recorder.once(dry(call, validate_only), work, replay(call, program))
        return IncidentView(row, counts)

    async def get(self, call: Call, program: str, incident_id: bytes, *, triage: bool) -> IncidentView:
        """Return an incident with its jobs, and its cards counted if that is asked for.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[IncidentView]:
            row = incident_of(scope, program, incident_id)
            return Recorded(IncidentView(row, {}, jobs_of(scope, row)), incident_event(call, program, incident_id))

        view = await self._recorder.record(work, call)
        return view._replace(counts=await count_incident(self._triage, view.row)) if triage else view

    async def page(self, call: Call, program: str, before: tuple[int, bytes] | None, limit: int) -> list[IncidentRow]:
        """Return up to ``limit`` incidents, newest first, that come after ``before`` (created_ms, incident_id).

        Raises:
            NotFound: There is no such program.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[list[IncidentRow]]:
            scope.snapshot.program(program)
            rows = scope.tx.incidents.page(program, before, limit)
            for row in rows:
                scope.snapshot.tagger.verify(SHAPES["incident"], row)
            return Recorded(rows, event_of(call, program=program))

        return await self._recorder.record(work, call)

    async def open_exchange(self, call: Call, program: str, incident_id: bytes, window: ExchangeWindow) -> IncidentRow:
        """Open the exchange of an incident's superseded codes, in place of a window that it had before.

        Raises:
            InvalidInput: The window ends before it begins, or in the past.
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: The incident is closed, or its serials leaked and are the proof
                (SERIALS_LEAKED).
        """

        def work(scope: Scope) -> Recorded[IncidentRow]:
            row = open_incident_of(scope, program, incident_id)
            from_ms = scope.now_ms if window.from_ms is None else window.from_ms
            if window.until_ms <= max(from_ms, scope.now_ms):
                message = "the exchange ends before it begins, or in the past"
                raise InvalidInput(message, reason="WINDOW", field="exchange_until")
            if row.serials_leaked and window.proof == Proof.SERIAL:
                message = "serials leaked with the codes, so a serial proves nothing"
                raise FailedPrecondition(message, reason="SERIALS_LEAKED", field="proof")
            opened = row._replace(
                exchange_proof=window.proof, exchange_from_ms=from_ms, exchange_until_ms=window.until_ms
            )
            changed = act(scope, call, opened, note=window.proof.name)
            self._recorder.catalogue.bump(scope.tx)
            return Recorded(changed, incident_event(call, program, incident_id))

        return await self._recorder.once(call, work, replay(call, program))

    async def close_exchange(self, call: Call, program: str, incident_id: bytes) -> IncidentRow:
        """End the exchange, or call one off that has not begun.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: EXCHANGE_NOT_OPEN: it is over already, or was never opened.
            Unavailable: It could not be made sure that every process obeys; try again.
        """

        def work(scope: Scope) -> Recorded[IncidentRow]:
            row = open_incident_of(scope, program, incident_id)
            if not exchange_to_come(row, scope.now_ms):
                raise FailedPrecondition("the exchange is not open", reason="EXCHANGE_NOT_OPEN", field="incident_id")
            begun = (row.exchange_from_ms or 0) < scope.now_ms
            ended = (
                row._replace(exchange_until_ms=scope.now_ms)
                if begun
                else row._replace(exchange_proof=None, exchange_from_ms=None, exchange_until_ms=None)
            )
            changed = act(scope, call, ended)
            self._recorder.catalogue.bump(scope.tx)
            return Recorded(changed, incident_event(call, program, incident_id))

        row = await self._recorder.once(call, work, replay(call, program))
        await self._recorder.store.settle()
        return row

    async def close(self, call: Call, program: str, incident_id: bytes, note: str) -> IncidentRow:
        """Close an incident for good.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: It is frozen, its exchange is not over, a job of it has not ended, or it is
                closed.
        """

        def work(scope: Scope) -> Recorded[IncidentRow]:
            row = open_incident_of(scope, program, incident_id)
            if row.state == IncidentState.FROZEN:
                raise FailedPrecondition("the incident is frozen; thaw it first", reason="INCIDENT_FROZEN")
            if exchange_to_come(row, scope.now_ms):
                raise FailedPrecondition("the exchange is not over; close it first", reason="EXCHANGE_OPEN")
            if not all(job.ended for job in jobs_of(scope, row)):
                raise FailedPrecondition("a job of the incident has not ended", reason="JOBS_UNFINISHED")
            closed = row._replace(state=IncidentState.CLOSED, closed_ms=scope.now_ms)
            changed = act(scope, call, closed, note=note)
            self._recorder.catalogue.bump(scope.tx)
            event = incident_event(call, program, incident_id)
            return Recorded(changed, event._replace(note=note))

        return await self._recorder.once(call, work, replay(call, program))


def exchange_to_come(row: IncidentRow, now_ms: int) -> bool:
    """Return whether an incident's exchange is open, or will be."""
    return row.exchange_until_ms is not None and now_ms < row.exchange_until_ms


async def count_incident(triage: Triage, row: IncidentRow) -> Counts:
    """Count the cards that an incident is over.

    Raises:
        Unavailable: The store cannot be read now.
    """
    return await triage.count(row.program, row.scope, row.batch_ids, row.incident_id)


def dry(call: Call, validate_only: bool) -> Call:
    """Leave nothing to a retry of a call that changes nothing."""
    return call._replace(request_id=None) if validate_only else call


def replay(call: Call, program: str) -> Replay[IncidentRow]:
    """Return how an act on an incident is answered again: with the incident as it is now."""

    def restore(scope: Scope, kept: RequestResult) -> Recorded[IncidentRow]:
        row = incident_of(scope, program, kept.subject)
        return Recorded(row, incident_event(call, program, row.incident_id))

    return Replay(lambda row: RequestResult(subject=row.incident_id), restore)


def _new(  # noqa: PLR0913, PLR0917  what an incident begins with
    incident_id: bytes, program: str, plan: IncidentPlan, batch_ids: bytes, principal: str, now_ms: int
) -> IncidentRow:
    return IncidentRow(
        incident_id,
        program,
        IncidentState.OPEN,
        plan.title,
        plan.scope,
        batch_ids,
        0,
        int(plan.serials_leaked),
        0,
        None,
        None,
        None,
        principal,
        now_ms,
        None,
        None,
        None,
        1,
        b"",
    )
