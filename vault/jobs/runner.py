"""Runs jobs: leases one, works it chunk by chunk, takes the next.

A chunk is prepared, then written, one after the other. Kinds that move rows prepare the next one in another thread
meanwhile (``ahead``): re-key and rewrap gained a sixth on SQLite and half as much again on PostgreSQL. For re-issue
that was tried and refused: on PostgreSQL it gained a tenth for a sixth more of CPU, and nothing beside validations; on
SQLite both threads wanted Python's lock, and 180 cards took 45 ms that take 10 alone.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from vault import log, metrics
from vault.audit.event import Event
from vault.errors import Unavailable, VaultError
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.jobs.chunk import Chunk, Kind, Step
from vault.model.rows import JobRow
from vault.model.shape import SHAPES
from vault.model.states import JobKind, JobState
from vault.service.recorder import Recorded, Recorder, Scope
from vault.stores.protocol import Transaction

_log = log.get(__name__)

LEASE_SECONDS = 5.0
WAIT_SECONDS = 1.0
IDLE_SECONDS = 0.2
SHORT_REST_SECONDS = 0.2
"""A job that rests for longer between its chunks gives its lane to another one meanwhile."""

FIRST_CHUNK = 50
LARGEST_CHUNK = 4000
PATIENCE = 20
"""How often in a row a chunk may fail for want of the store before the lane gives its job back."""

WAITING = frozenset({"PROGRAM_STOPPED", "ISSUANCE_STOPPED"})
"""Reasons for which a job waits until they are gone, rather than fails."""


class Pace(NamedTuple):
    """How long chunks take, alone and beside other processes that write (``Store.crowded``).

    Attributes:
        alone_seconds: What a chunk's transaction may take whatever its kind, while nobody has to wait for it: more
            than the kinds ask for.
        crowded_of: How much of what its kind asks for it takes beside others.
        rest_of: For how much of a chunk's time the lane leaves the store to others after it; preparing the next one
            counts.
    """

    alone_seconds: float = 0.0
    crowded_of: float = 1.0
    rest_of: float = 0.0


class Runner:
    """One lane of work: one job at a time, under a lease of its own."""

    def __init__(
        self,
        recorder: Recorder,
        kinds: Mapping[JobKind, Kind],
        random: Callable[[int], bytes],
        seconds: Callable[[], float] = time.monotonic,
        pace: Pace = Pace(),  # noqa: B008  it does not change
    ) -> None:
        """Work the given kinds.

        Args:
            recorder: What runs the chunks.
            kinds: Who does each kind of job.
            random: Random bytes.
            seconds: A clock that only moves forward.
            pace: How long chunks take.
        """
        self._recorder = recorder
        self._kinds = kinds
        self._random = random
        self._owner = random(16)
        self._seconds = seconds
        self._pace = pace
        self._crowded = False
        self._ended_seconds = 0.0
        self._took_seconds = 0.0
        self._limits: dict[int, int] = {}
        self._begun = b""

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; a chunk that was begun is finished."""
        while not stop.is_set():
            try:
                job = await self._lease()
                if job is not None:
                    await self._work(job, stop)
                    continue
            except VaultError as error:
                self._leave()
                _log.error("job_lane_failed", problem=error.message, reason=error.reason)
            await rest(stop, IDLE_SECONDS)

    async def _lease(self) -> JobRow | None:
        store = self._recorder.store
        if not await store.read(lambda tx: tx.jobs.is_any_for(self._owner)):
            return None
        job = await store.transact(lambda tx: tx.jobs.lease(self._owner, LEASE_SECONDS))
        if job is not None:
            snapshot = await store.read(self._recorder.catalogue.at)
            snapshot.tagger.verify(SHAPES["job"], job)
        return job

    def _leave(self) -> None:
        """Leave the job at hand until its lease runs out, so that it does not keep this lane from other jobs."""
        self._owner = self._random(16)

    async def _work(self, job: JobRow, stop: asyncio.Event) -> None:
        kind = self._kinds[JobKind(job.kind)]
        self._announce(job)
        pause = _rest_seconds(job)
        failures = 0
        while not stop.is_set():
            try:
                step = await self._prepared(kind, job)
                await self._give_way(stop)
                after = await self._chunk(job, step, kind.box_seconds)
                if after is None or after.state == JobState.DONE:
                    break
                job, failures = after, 0
            except Unavailable as error:
                failures += 1
                if failures > PATIENCE:
                    raise
                _log.info("job_waits", job=job.job_id.hex(), problem=error.message, reason=error.reason)
                await rest(stop, min(2.0, 0.01 * 2**failures))
            except VaultError as error:
                if error.reason not in WAITING:
                    await self._fail(job, error)
                    break
                _log.info("job_waits", job=job.job_id.hex(), problem=error.message, reason=error.reason)
                await self._rest(job, WAIT_SECONDS)
                return
            else:
                if pause > SHORT_REST_SECONDS:
                    await self._rest(job, pause)
                    return
                if pause:
                    await rest(stop, pause)
        await self._release(job)

    async def _prepared(self, kind: Kind, job: JobRow) -> Step:
        """Prepare the next chunk, and keep the lease meanwhile: counting a large table takes longer than one lasts."""
        keeping = asyncio.create_task(self._keep_on(job))
        try:
            return await kind.prepare(job, self._limits.get(job.kind, FIRST_CHUNK))
        finally:
            keeping.cancel()

    async def _keep_on(self, job: JobRow) -> None:
        """Renew the lease until cancelled."""
        while True:
            await asyncio.sleep(LEASE_SECONDS / 3)
            with contextlib.suppress(VaultError):  # the lease runs out then, which the chunk finds
                await self._keep(job, LEASE_SECONDS)

    async def _give_way(self, stop: asyncio.Event) -> None:
        """Rest for what preparing has left of the time that is others' after a chunk."""
        if self._crowded:
            way = min(SHORT_REST_SECONDS, self._took_seconds * self._pace.rest_of)
            left = self._ended_seconds + way - self._seconds()
            if left > 0:
                await rest(stop, left)

    def _announce(self, job: JobRow) -> None:
        """Log that a job is begun, unless it only comes back from a rest."""
        if self._begun != job.job_id:
            self._begun = job.job_id
            _log.info("job_begun", job=job.job_id.hex(), kind=JobKind(job.kind).name, cursor=job.cursor)

    async def _chunk(self, job: JobRow, step: Step, box_seconds: float) -> JobRow | None:
        """Do one chunk in its transaction, and return the job as it is then.

        None when the job is no longer this lane's, no longer running, or not where this lane saw it.
        """
        took, full = 0.0, True

        def work(scope: Scope) -> Recorded[JobRow | None]:
            nonlocal took, full
            began = self._seconds()
            held = self._held(scope, job)
            # A job that was paused may have been given more cards before its first chunk.
            if held is None or (held.cursor, held.total_count) != (job.cursor, job.total_count):
                return Recorded(None, _event(job, reason="LOST"))
            chunk = step(scope)
            full = chunk.full
            after = scope.snapshot.tagger.tagged(SHAPES["job"], _after(held, chunk, scope.now_ms))
            scope.tx.jobs.update(after)
            took = self._seconds() - began
            return Recorded(after, _event(job)._replace(items=chunk.items))

        begun = self._seconds()
        after = await self._recorder.record(work)
        self._ended_seconds = self._seconds()
        self._took_seconds = self._ended_seconds - begun
        # The commit takes nearly the same for every size, so it is left out: on a slow disk chunks would only shrink.
        self._crowded = await self._recorder.store.crowded()
        box = box_seconds * self._pace.crowded_of if self._crowded else max(box_seconds, self._pace.alone_seconds)
        self._adapt(job.kind, box / max(took, 1e-6), full=full)
        if after is not None:
            metrics.count("job_items", max(0, after.done_count - job.done_count), kind=JobKind(job.kind).name)
        if after is not None and after.state == JobState.DONE:
            _log.info("job_done", job=job.job_id.hex(), kind=JobKind(job.kind).name)
        return after

    def _held(self, scope: Scope, job: JobRow) -> JobRow | None:
        """Renew the lease and return the job as it is; None when another has it or it is no longer running."""
        held = scope.tx.jobs.lease(self._owner, LEASE_SECONDS)
        if held is None or held.job_id != job.job_id:
            return None
        scope.snapshot.tagger.verify(SHAPES["job"], held)
        return held

    def _adapt(self, kind: int, factor: float, *, full: bool) -> None:
        """Let the kind's next chunk be as large as fits the box, at most twice and at least a quarter of this one."""
        factor = min(2.0 if full else 1.0, max(0.25, factor))
        self._limits[kind] = min(LARGEST_CHUNK, max(1, int(self._limits.get(kind, FIRST_CHUNK) * factor)))

    async def _fail(self, job: JobRow, error: VaultError) -> None:
        def work(scope: Scope) -> Recorded[bool]:
            held = self._held(scope, job)
            if held is None:  # such as a batch's that was cancelled meanwhile
                return Recorded(result=False, event=_event(job, reason="LOST"))
            ended = held._replace(
                state=JobState.FAILED,
                error_count=held.error_count + 1,
                last_error=error.reason,
                finished_ms=scope.now_ms,
            )
            scope.tx.jobs.update(scope.snapshot.tagger.tagged(SHAPES["job"], ended))
            return Recorded(result=True, event=_event(job, status="FAILED", reason=error.reason))

        if await self._recorder.record(work):
            _log.error("job_failed", problem=error.message, job=job.job_id.hex(), reason=error.reason)

    async def _rest(self, job: JobRow, seconds: float) -> None:
        """Let the job rest for a while, and this lane take another one."""
        await self._keep(job, seconds)
        self._leave()

    async def _keep(self, job: JobRow, seconds: float) -> None:
        """Have the lease last for so long from now, if it is this lane's still."""

        def work(tx: Transaction) -> None:
            held = tx.jobs.get(job.job_id)
            if held is not None and held.lease_owner == self._owner and held.state == JobState.RUNNING:
                tx.jobs.lease(self._owner, seconds)

        await self._recorder.store.transact(work)

    async def _release(self, job: JobRow) -> None:
        """Give the job back at once, rather than when its lease runs out."""

        def work(tx: Transaction) -> None:
            held = tx.jobs.get(job.job_id)
            if held is not None and held.lease_owner == self._owner:
                tx.jobs.update(held._replace(lease_owner=None, lease_until_ms=0))

        await self._recorder.store.transact(work)


async def rest(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not when it is time to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def _after(job: JobRow, chunk: Chunk, now_ms: int) -> JobRow:
    """Return the job as a chunk leaves it, without its tag."""
    return job._replace(
        state=JobState.DONE if chunk.finished else JobState.RUNNING,
        cursor=chunk.cursor,
        total_count=job.total_count if chunk.total is None else chunk.total,
        done_count=job.done_count + chunk.done,
        error_count=job.error_count + chunk.errors,
        last_error=chunk.last_error or job.last_error,
        finished_ms=now_ms if chunk.finished else None,
        progress=job.progress if chunk.progress is None else chunk.progress,
        spec=job.spec if chunk.spec is None else chunk.spec,
    )


def _rest_seconds(job: JobRow) -> float:
    """Return how long the job wants to rest between its chunks."""
    return 0.0 if job.spec is None else JobSpec.FromString(job.spec).rest_ms / 1000


def _event(job: JobRow, *, status: str = "OK", reason: str = "") -> Event:
    return Event(
        f"job/{JobKind(job.kind).name}",
        principal=job.principal,
        program=job.program,
        status=status,
        reason=reason,
        subject=f"job/{job.job_id.hex()}",
    )
