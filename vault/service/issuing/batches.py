"""Batches: creating, cancelling, withdrawing, acknowledging. The cards themselves are issued and closed by jobs.

From the moment a batch is cancelled or withdrawn none of its unsold cards can be activated, however long the
job takes to close them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.audit.event import Event
from vault.errors import FailedPrecondition, InvalidInput, NotFound
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import BatchRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import BatchState, CardState, JobKind, JobState
from vault.policy.call import Call
from vault.service import tally
from vault.service.etags import check_etag
from vault.service.issuing.delivery import recipient_of
from vault.service.issuing.issue import card_ids
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of


class BatchPlan(NamedTuple):
    """What a new batch is given; ``cards`` is 1 to 10,000,000."""

    cards: int
    recipient: str
    reference: str = ""
    expires_ms: int | None = None


class BatchView(NamedTuple):
    """A batch and how far its jobs are."""

    row: BatchRow
    issued: int
    closed: int
    working: bool


class Ended(NamedTuple):
    """A batch that is being cancelled or withdrawn, and how many cards that closes."""

    view: BatchView
    to_close: int


class Batches:
    """Sets batches up and ends them."""

    def __init__(self, recorder: Recorder, slot: int, random: Callable[[int], bytes]) -> None:
        """Count in the tally's ``slot``."""
        self._recorder = recorder
        self._slot = slot
        self._random = random

    async def create(self, call: Call, program: str, plan: BatchPlan, *, validate_only: bool) -> BatchView:
        """Create a batch, take its room under the guess odds, and leave its issuance to a job.

        Raises:
            InvalidInput: The expiry is not in the future.
            NotFound: There is no such program or recipient.
            FailedPrecondition: The program is stopped or closed, an incident has stopped issuance in it, or it
                has no room for so many codes.
        """

        def work(scope: Scope) -> Recorded[BatchView]:
            row = scope.snapshot.issuing_program(program)
            recipient_of(scope, program, plan.recipient)
            if plan.expires_ms is not None and plan.expires_ms <= scope.now_ms:
                raise InvalidInput("the expiry is not in the future", reason="EXPIRY_PAST", field="expire_time")
            tally.take_room(scope, row, plan.cards, dry=validate_only)
            batch_id = b"" if validate_only else card_ids(1, self._random)[0]
            batch = _new(batch_id, program, plan, scope.now_ms)
            event = event_of(call, program=program, reason="VALIDATE_ONLY" if validate_only else "")
            if validate_only:
                return Recorded(BatchView(batch, 0, 0, working=False), event)
            batch = scope.snapshot.tagger.tagged(SHAPES["batch"], batch)
            scope.tx.batches.insert(batch)
            self._start(scope, call, JobKind.ISSUE_BATCH, batch, plan.cards)
            event = event._replace(subject=f"batch/{batch_id.hex()}")
            return Recorded(BatchView(batch, 0, 0, working=True), event)

        return await self._recorder.once(_dry(call, validate_only), work, self._replay(call, program))

    async def get(self, call: Call, program: str, batch_id: bytes) -> BatchView:
        """Return a batch and how far it is.

        Raises:
            NotFound: There is no such program, or no such batch in it.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[BatchView]:
            batch = batch_of(scope, program, batch_id)
            return Recorded(_view(scope, batch), _event(call, batch))

        return await self._recorder.record(work, call)

    async def page(self, call: Call, program: str, before: tuple[int, bytes] | None, limit: int) -> list[BatchView]:
        """Return up to ``limit`` batches, newest first, that come after ``before`` (created_ms, batch_id).

        Raises:
            NotFound: There is no such program.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[list[BatchView]]:
            scope.snapshot.program(program)
            rows = scope.tx.batches.page(program, before, limit)
            for row in rows:
                scope.snapshot.tagger.verify(SHAPES["batch"], row)
            return Recorded([_view(scope, row) for row in rows], event_of(call, program=program))

        return await self._recorder.record(work, call)

    async def cancel(self, call: Call, program: str, batch_id: bytes, etag: str, *, validate_only: bool) -> Ended:
        """Stop a batch that was not acknowledged; a job closes the cards issued so far.

        Raises:
            NotFound: There is no such program or batch.
            FailedPrecondition: The batch is neither being issued nor ready, or a card of it was activated.
            Conflict: The etag does not match.
        """
        counts = await self._counts(batch_id)

        def work(scope: Scope) -> Recorded[Ended]:
            batch = batch_of(scope, program, batch_id)
            _require(batch, BatchState.ISSUING, BatchState.READY)
            check_etag(etag, batch.revision)
            if counts.keys() - {CardState.INACTIVE, CardState.CLOSED}:
                raise FailedPrecondition(
                    "cards of the batch were sold; withdraw it instead", reason="BATCH_HAS_SOLD_CARDS"
                )
            issued = 0
            for job in _jobs(scope, batch):
                if job.kind == JobKind.ISSUE_BATCH:
                    issued = job.done_count
                    if job.state == JobState.RUNNING and not validate_only:
                        ended = job._replace(state=JobState.CANCELLED, finished_ms=scope.now_ms)
                        scope.tx.jobs.update(scope.snapshot.tagger.tagged(SHAPES["job"], ended))
            if not validate_only:
                tally.change(scope, program, 0, issued - batch.card_count)
            return self._end(scope, call, batch, BatchState.CANCELLED, issued, validate_only=validate_only)

        return await self._recorder.once(_dry(call, validate_only), work, self._replay_end(call, program))

    async def withdraw(self, call: Call, program: str, batch_id: bytes, etag: str, *, validate_only: bool) -> Ended:
        """End a batch that is issued; a job closes every card of it that is not sold.

        Raises:
            NotFound: There is no such program or batch.
            FailedPrecondition: The batch is still being issued, or has ended already.
            Conflict: The etag does not match.
        """
        counts = await self._counts(batch_id)

        def work(scope: Scope) -> Recorded[Ended]:
            batch = batch_of(scope, program, batch_id)
            _require(batch, BatchState.READY, BatchState.ACKNOWLEDGED)
            check_etag(etag, batch.revision)
            to_close = counts.get(CardState.INACTIVE, 0)
            return self._end(scope, call, batch, BatchState.WITHDRAWN, to_close, validate_only=validate_only)

        return await self._recorder.once(_dry(call, validate_only), work, self._replay_end(call, program))

    async def acknowledge(self, call: Call, program: str, batch_id: bytes, sha256: bytes, etag: str) -> BatchView:
        """Take down that the recipient holds the package, and forget the package's key.

        Raises:
            NotFound: There is no such program or batch.
            FailedPrecondition: The package was not exported to its end, or its SHA-256 is another.
            Conflict: The etag does not match.
        """

        def work(scope: Scope) -> Recorded[BatchView]:
            batch = batch_of(scope, program, batch_id)
            _require(batch, BatchState.READY)
            check_etag(etag, batch.revision)
            if batch.manifest_sha256 is None:
                raise FailedPrecondition("the package was never exported to its end", reason="NOT_EXPORTED")
            if batch.manifest_sha256 != sha256:
                raise FailedPrecondition(
                    "this is not the SHA-256 of the package; export it again",
                    reason="MANIFEST_MISMATCH",
                    field="sha256",
                )
            changed = put_batch(
                scope,
                batch._replace(state=BatchState.ACKNOWLEDGED, package_head=None, wrapped_package_key=None),
            )
            return Recorded(_view(scope, changed), _event(call, changed))

        return await self._recorder.once(call, work, self._replay(call, program))

    async def _counts(self, batch_id: bytes) -> dict[CardState, int]:
        """Count a batch's cards by state, on a snapshot, so that nobody waits for it."""
        return await self._recorder.store.read(
            lambda tx: {CardState(state): n for state, n in tx.cards.count_by_state(batch_id).items()}
        )

    def _end(  # noqa: PLR0913  what cancelling and withdrawing differ in
        self, scope: Scope, call: Call, batch: BatchRow, state: BatchState, to_close: int, *, validate_only: bool
    ) -> Recorded[Ended]:
        if validate_only:
            event = _event(call, batch)._replace(reason="VALIDATE_ONLY")
            return Recorded(Ended(_view(scope, batch), to_close), event)
        changed = put_batch(scope, batch._replace(state=state, package_head=None, wrapped_package_key=None))
        self._start(scope, call, JobKind.CLOSE_BATCH, changed, to_close)
        return Recorded(Ended(_view(scope, changed), to_close), _event(call, changed))

    def _start(self, scope: Scope, call: Call, kind: JobKind, batch: BatchRow, total: int) -> None:
        (job_id,) = card_ids(1, self._random)
        job = JobRow(
            job_id,
            kind,
            batch.program,
            batch.batch_id,
            JobState.RUNNING,
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
        )
        scope.tx.jobs.insert(scope.snapshot.tagger.tagged(SHAPES["job"], job))

    def _replay(self, call: Call, program: str) -> Replay[BatchView]:
        def restore(scope: Scope, kept: RequestResult) -> Recorded[BatchView]:
            batch = batch_of(scope, program, kept.subject)
            return Recorded(_view(scope, batch), _event(call, batch))

        return Replay(lambda view: RequestResult(subject=view.row.batch_id), restore)

    def _replay_end(self, call: Call, program: str) -> Replay[Ended]:
        def restore(scope: Scope, kept: RequestResult) -> Recorded[Ended]:
            batch = batch_of(scope, program, kept.subject)
            return Recorded(Ended(_view(scope, batch), kept.count), _event(call, batch))

        return Replay(lambda e: RequestResult(subject=e.view.row.batch_id, count=e.to_close), restore)


def batch_of(scope: Scope, program: str, batch_id: bytes) -> BatchRow:
    """Return a program's batch.

    Raises:
        NotFound: There is no such program, or no such batch in it.
        IntegrityFailure: The row is not what the vault wrote.
    """
    scope.snapshot.program(program)
    row = scope.tx.batches.get(batch_id)
    if row is not None:
        scope.snapshot.tagger.verify(SHAPES["batch"], row)
    if row is None or row.program != program:
        raise NotFound("there is no such batch in the program", reason="BATCH_NOT_FOUND", field="batch_id")
    return row


def put_batch(scope: Scope, row: BatchRow) -> BatchRow:
    """Write a changed batch under its next revision, and return it."""
    changed = scope.snapshot.tagger.tagged(SHAPES["batch"], row._replace(revision=row.revision + 1))
    scope.tx.batches.update(changed)
    return changed


def _new(batch_id: bytes, program: str, plan: BatchPlan, now_ms: int) -> BatchRow:
    return BatchRow(
        batch_id,
        program,
        BatchState.ISSUING,
        plan.cards,
        plan.recipient,
        plan.reference,
        plan.expires_ms,
        now_ms,
        1,
        None,
        None,
        None,
        None,
        None,
        b"",
    )


def _dry(call: Call, validate_only: bool) -> Call:
    """Leave nothing to a retry of a call that changes nothing."""
    return call._replace(request_id=None) if validate_only else call


def _require(batch: BatchRow, *states: BatchState) -> None:
    if batch.state not in states:
        name = BatchState(batch.state).name
        raise FailedPrecondition(f"the batch is {name.lower()}", reason=f"BATCH_{name}", field="batch_id")


def _jobs(scope: Scope, batch: BatchRow) -> Sequence[JobRow]:
    jobs = scope.tx.jobs.of_subject(batch.batch_id)
    for job in jobs:
        scope.snapshot.tagger.verify(SHAPES["job"], job)
    return jobs


def _view(scope: Scope, batch: BatchRow) -> BatchView:
    jobs = _jobs(scope, batch)
    done = {kind: sum(job.done_count for job in jobs if job.kind == kind) for kind in JobKind}
    working = any(job.state == JobState.RUNNING for job in jobs)
    return BatchView(batch, done[JobKind.ISSUE_BATCH], done[JobKind.CLOSE_BATCH], working)


def _event(call: Call, batch: BatchRow) -> Event:
    return event_of(call, program=batch.program)._replace(subject=f"batch/{batch.batch_id.hex()}")
