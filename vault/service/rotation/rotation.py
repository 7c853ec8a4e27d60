"""Rotation jobs: creating, watching, pausing, resuming, cancelling them. The job process does the work.

1. A job that was created goes on by itself, whatever dies; asked for twice with one request id it is one job.
2. Jobs run together unless one would undo the other's work: two that move a program's codes or records to other
   keys, or two that re-issue the same incident's cards or the same batches. The second is refused until the
   first has ended. A re-issue goes with every job of keys, and with issuance.
3. Once a pause or a cancellation is answered, no chunk is written any more.
4. A re-issue of an incident's cards is a step of its timeline, and none begins for an incident that is closed, nor is
   one closed whose job has not ended, whichever of the two is first.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NamedTuple

from vault.audit.event import Event, Item
from vault.errors import FailedPrecondition
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import CardRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.policy.call import Call
from vault.service.change import Change
from vault.service.incidents.added import changes_of, found_cards, keep_changes, kept_changes
from vault.service.incidents.selection import MOST_CARDS, Added, choose
from vault.service.incidents.timeline import act
from vault.service.issuing.issue import card_ids
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of
from vault.service.rotation.cardsource import CHOSEN
from vault.service.rotation.choice import Choice
from vault.service.rotation.joborder import RotationOrder
from vault.service.rotation.jobstart import Survey, check, check_alone, choose_first, count_cards, survey
from vault.service.rotation.jobview import ROTATIONS, JobView, job_event, job_of, put_job, refuse_state, view_of
from vault.service.select import Selector, select
from vault.stores.protocol import Transaction

WATCH_SECONDS = 0.1
"""How often a watched job is looked at."""

TURNS: Mapping[str, tuple[frozenset[JobState], JobState]] = {
    "pause": (frozenset({JobState.RUNNING}), JobState.PAUSED),
    "resume": (frozenset({JobState.PAUSED}), JobState.RUNNING),
    "cancel": (frozenset({JobState.RUNNING, JobState.PAUSED}), JobState.CANCELLED),
}
"""What each verb takes a job from, and to. What is done already is done."""


class CardCount(NamedTuple):
    """How many cards are in a state and of a usage."""

    state: int
    usage: int
    cards: int


class Created(NamedTuple):
    """A job as created, or as it would be (its id empty), and of a re-issue the cards that are meant.

    ``changes`` says of each card that the order names whether it was chosen.
    """

    job: JobView
    counts: Sequence[CardCount] = ()
    changes: Sequence[Change] = ()


class Rotation:
    """Creates jobs and decides whether they go on."""

    def __init__(self, recorder: Recorder, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._random = random

    async def create(self, call: Call, order: RotationOrder, *, validate_only: bool) -> Created:
        """Create a job; it is paused where a re-issue awaits its start, and else begins by itself.

        Raises:
            InvalidInput: The order makes no sense.
            NotFound: There is no such program, batch, incident or recipient, or none of the cards named.
            FailedPrecondition: The program is closed to a re-issue, the incident is closed, or a job that does the
                same has not ended (JOB_RUNNING).
            IntegrityFailure: A row is not what the vault wrote.
        """
        spec = order.spec()
        answered = not validate_only and await self._recorder.answered(call)
        found = Survey(0, {}) if answered else await survey(self._recorder, order, spec)
        if validate_only:
            call = call._replace(request_id=None)
        work = partial(self._create, call, order, spec, found, validate_only)
        return await self._recorder.once(call, work, _created_again(call, order.program))

    async def add_cards(self, call: Call, program: str, job_id: bytes, selectors: Sequence[Selector]) -> Added:
        """Add up to 1,000 cards to a re-issue of chosen cards that has not begun; each has its own outcome.

        Raises:
            NotFound: There is no such program, or no such job in it.
            FailedPrecondition: The job has no chosen cards, is not paused, has begun, or its selection is full.
        """

        def work(scope: Scope) -> Recorded[Added]:
            row = _choosing(scope, program, job_id)
            found = select(scope, program, selectors)
            cards = found_cards(found)
            there = choose(scope, job_id, cards)
            row = _count(scope, row, len(cards) - len(there))
            return added(row, Added(row.total_count, changes_of(found, there)))

        def added(row: JobRow, result: Added) -> Recorded[Added]:
            items = [Item(change.card_id, change.outcome.name) for change in result.changes]
            return Recorded(result, job_event(call, row)._replace(items=items))

        def restore(scope: Scope, kept: RequestResult) -> Recorded[Added]:
            return added(job_of(scope, program, job_id), Added(kept.count, kept_changes(kept)))

        replay = Replay[Added](lambda result: keep_changes(result.changes, result.card_count), restore)
        return await self._recorder.once(call, work, replay)

    async def get(self, call: Call, program: str, job_id: bytes) -> JobView:
        """Return a job; ``program`` is empty for one of the vault's own.

        Raises:
            NotFound: There is no such program, or no such job in it.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[JobView]:
            row = job_of(scope, program, job_id)
            return Recorded(view_of(scope, row), job_event(call, row))

        return await self._recorder.record(work, call)

    async def page(self, call: Call, program: str, before: tuple[int, bytes] | None, limit: int) -> list[JobView]:
        """Return up to ``limit`` jobs, newest first, that come after ``before`` (created_ms, job_id).

        Raises:
            NotFound: There is no such program.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def look(scope: Scope) -> list[JobView]:
            if program:
                scope.snapshot.program(program)
            rows: list[JobRow] = []
            place, some = before, scope.tx.jobs.page(program, before, limit)
            while some:
                rows += [row for row in some if row.kind in ROTATIONS]
                if len(rows) >= limit or len(some) < limit:
                    break
                place = (some[-1].created_ms, some[-1].job_id)
                some = scope.tx.jobs.page(program, place, limit)
            for row in rows[:limit]:
                scope.snapshot.tagger.verify(SHAPES["job"], row)
            return [view_of(scope, row) for row in rows[:limit]]

        views = await self._recorder.store.read(lambda tx: look(self._recorder.scope(tx)))
        return await self._recorder.record(lambda _: Recorded(views, event_of(call, program=program)), call)

    async def watch(self, call: Call, program: str, job_id: bytes) -> AsyncIterator[JobView]:
        """Yield a job as it is, then whenever it moved on, at most ten times a second; end with the ended job.

        Raises:
            NotFound: There is no such program, or no such job in it.
            PermissionDenied: The caller was blocked meanwhile.
            IntegrityFailure: A row is not what the vault wrote.
        """
        view = await self.get(call, program, job_id)
        yield view
        while not view.ended:
            await asyncio.sleep(WATCH_SECONDS)
            now = await self._recorder.store.read(partial(self._watched, call, view.row))
            if now.row.tag != view.row.tag:  # which covers everything but the lease
                view = now
                yield view

    async def pause(self, call: Call, program: str, job_id: bytes) -> JobView:
        """Let a job rest until it is resumed.

        Raises:
            NotFound: There is no such program, or no such job in it.
            FailedPrecondition: The job has ended.
        """
        return await self._turn(call, program, job_id, "pause")

    async def resume(self, call: Call, program: str, job_id: bytes) -> JobView:
        """Let a paused job go on, or begin one that awaits its start.

        Raises:
            NotFound: There is no such program, or no such job in it.
            FailedPrecondition: The job has ended.
        """
        return await self._turn(call, program, job_id, "resume")

    async def cancel(self, call: Call, program: str, job_id: bytes) -> JobView:
        """End a job for good; what it has done stays done.

        Raises:
            NotFound: There is no such program, or no such job in it.
            FailedPrecondition: The job has ended otherwise.
        """
        return await self._turn(call, program, job_id, "cancel")

    async def _turn(self, call: Call, program: str, job_id: bytes, verb: str) -> JobView:
        allowed, state = TURNS[verb]

        def work(scope: Scope) -> Recorded[JobView]:
            row = job_of(scope, program, job_id)
            if row.state != state:
                if row.state not in allowed:
                    raise refuse_state(row)
                # A job that goes on is free for any lane at once; a chunk that was at work on it is dropped.
                turned = row._replace(state=state, lease_owner=None, lease_until_ms=0)
                if state == JobState.CANCELLED:
                    turned = turned._replace(finished_ms=scope.now_ms)
                row = put_job(scope, turned)
            return Recorded(view_of(scope, row), job_event(call, row))

        def restore(scope: Scope, _: RequestResult) -> Recorded[JobView]:
            row = job_of(scope, program, job_id)
            return Recorded(view_of(scope, row), job_event(call, row))

        return await self._recorder.once(
            call, work, Replay(lambda view: RequestResult(subject=view.row.job_id), restore)
        )

    def _create(  # noqa: PLR0913, PLR0917  all that was found out before the transaction
        self, call: Call, order: RotationOrder, spec: JobSpec, found: Survey, validate_only: bool, scope: Scope
    ) -> Recorded[Created]:
        incident = check(scope, order, spec)
        job_id = card_ids(1, self._random)[0]
        total, counts = found
        cards: list[CardRow] = []
        changes: list[Change] = []
        if order.reissue is not None and spec.source == CHOSEN:
            chosen = choose_first(scope, order.program, order.reissue)
            cards, changes = found_cards(chosen), changes_of(chosen, ())
            total, counts = len(cards), count_cards(Choice.of(order.program, spec), cards)
        waits = order.reissue is not None and order.reissue.await_start
        row = JobRow(
            job_id,
            order.kind,
            order.program,
            job_id if incident is None else incident.incident_id,
            JobState.PAUSED if waits else JobState.RUNNING,
            call.principal,
            total,
            0,
            0,
            "",
            0,
            scope.now_ms,
            None,
            b"",
            None,
            0,
            spec.SerializeToString(deterministic=True),
            JobProgress(format=1).SerializeToString(deterministic=True),
        )
        check_alone(scope, row, spec)
        counted = [CardCount(*pair, count) for pair, count in sorted(counts.items())]
        if validate_only:
            event = event_of(call, program=order.program, reason="VALIDATE_ONLY")
            return Recorded(Created(view_of(scope, row._replace(job_id=b"")), counted, changes), event)
        # Of two creations at the same time, one sees the other's job: both write the catalogue number.
        self._recorder.catalogue.bump(scope.tx)
        row = scope.snapshot.tagger.tagged(SHAPES["job"], row)
        scope.tx.jobs.insert(row)
        choose(scope, job_id, cards)
        if incident is not None:
            act(scope, call, incident, count=total, note=order.note)
        created = Created(view_of(scope, row), counted, changes)
        return Recorded(created, _created(call, created)._replace(note=order.note))

    def _watched(self, call: Call, row: JobRow, tx: Transaction) -> JobView:
        scope = self._recorder.scope(tx)
        scope.snapshot.check_principal(call.principal, row.program)
        return view_of(scope, job_of(scope, row.program, row.job_id))


def _created(call: Call, created: Created) -> Event:
    """Return the event of a creation."""
    items = [Item(change.card_id, change.outcome.name) for change in created.changes]
    return job_event(call, created.job.row)._replace(items=items)


def _created_again(call: Call, program: str) -> Replay[Created]:
    """Return how a creation is answered again: with the job as it is now, and what was chosen and counted then."""

    def keep(created: Created) -> RequestResult:
        kept = keep_changes(created.changes, 0)
        kept.subject = created.job.row.job_id
        kept.numbers.extend(chain.from_iterable(created.counts))  # three for each count
        return kept

    def restore(scope: Scope, kept: RequestResult) -> Recorded[Created]:
        row = job_of(scope, program, kept.subject)
        numbers = iter(kept.numbers)
        counts = list(map(CardCount, numbers, numbers, numbers))
        created = Created(view_of(scope, row), counts, kept_changes(kept))
        return Recorded(created, _created(call, created))

    return Replay(keep, restore)


def _choosing(scope: Scope, program: str, job_id: bytes) -> JobRow:
    """Return a job whose selection may grow: no chunk of it was done, and none is begun while it is paused."""
    row = job_of(scope, program, job_id)
    if row.kind != JobKind.REISSUE or JobSpec.FromString(row.spec or b"").source != CHOSEN:
        raise FailedPrecondition("the job has no chosen cards", reason="NOT_CHOSEN_CARDS", field="job_id")
    if row.state != JobState.PAUSED:
        raise refuse_state(row)
    if row.cursor:
        raise FailedPrecondition("the job has begun; create another one", reason="JOB_BEGUN", field="job_id")
    return row


def _count(scope: Scope, row: JobRow, added: int) -> JobRow:
    total = row.total_count + added
    if total > MOST_CARDS:
        message = f"a selection holds {MOST_CARDS} cards at most; create another job"
        raise FailedPrecondition(message, reason="SELECTION_FULL", field="job_id")
    return put_job(scope, row._replace(total_count=total))
