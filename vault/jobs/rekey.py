"""Re-keying the digest index: every stored code, current or superseded, gets its digest under a new index key.

The phases, each in transactions of its own:

0. Promote: a new version becomes active beside the one before. From now on both are looked up, and a new code claims
   its digest under both.
1. Settle: wait until everything that began before has ended, in all processes.
2. Drain: open each code that is under an older version, and give its row the new digest (``redigest``).
3. Compare: settle, then go through the rows that are under an older version still, those that new codes have claimed
   beside their own, and find none whose code lacks a row under the new one; if one does, drain again.
4. Flip: the older version is deactivated: neither looked up nor claimed any more.
5. Settle: nobody looks anything up by the older version from here on.
6. Clear: delete the rows under it, each only where its code has a row under the new version.
7. Prove: settle, then count none that is left.

1. At no moment is a code found by neither version: a transaction reads one snapshot, in which a row has the one digest
   or the other, and both are looked for. At no moment can a code be issued that was issued before: it would have to
   claim both.
2. No code's only row is ever deleted; rows that fail their check are counted, named in the log and left.

Rows were written anew beside the old ones once, which were deleted in the end. To change them where they are takes less
time, and no room in the file or in this process.

It opens every code of the program, in this process's memory, and leaves an event with an item for each card.
"""

from typing import Final

from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.chunk import Chunk, Step
from vault.jobs.drain import (
    BOX_SECONDS,
    DRAIN,
    PROMOTE,
    SETTLE,
    Draining,
    chunk,
    drained_again,
    next_phase,
    promoted,
    records,
)
from vault.jobs.redigest import Redigest, check_alone
from vault.model.rows import JobRow
from vault.model.states import KeyPurpose, KeyState
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.promotion import Promotion, of_state

COMPARE, FLIP, SETTLE_AGAIN, CLEAR, PROVE = range(DRAIN + 1, DRAIN + 6)

COMPARED_ROWS: Final = 20_000
"""Rows compared at once; they are only read."""


class Rekey:
    """The kind of job."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, promotion: Promotion) -> None:
        self._recorder = recorder
        self._promotion = promotion
        self._draining = Draining(recorder, Redigest(), check_alone)

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Prepare the next chunk."""
        spec, progress = records(job)
        if progress.phase in (SETTLE, SETTLE_AGAIN):
            await self._recorder.store.settle()
            return lambda _: next_phase(job, progress)
        if progress.phase == DRAIN:
            return await self._draining.prepare(job, progress, limit)
        if progress.phase == COMPARE:
            return await self._compare(job, spec, progress)
        if progress.phase == PROVE:
            return await self._prove(job, spec, progress)
        if progress.phase == CLEAR:
            return lambda scope: _clear(scope, job, limit)
        return lambda scope: self._turn(scope, job)

    async def _compare(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        if not progress.position:
            await store.settle()
        lacking, position = await store.read(
            lambda tx: tx.moves.lacking(job.program, spec.key_version, progress.position, COMPARED_ROWS)
        )
        after = JobProgress()
        after.CopyFrom(progress)
        after.left_count += lacking
        after.position = position
        if after.left_count > progress.skipped_count:
            return drained_again(job, progress, after.left_count)
        return lambda _: chunk(job, after) if position else next_phase(job, after)

    async def _prove(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        await store.settle()
        (tray,) = Redigest.trays
        older = tray.older(spec.key_version, job.program)
        if await store.read(lambda tx: tx.moves.left(older)) <= progress.skipped_count:
            return lambda _: chunk(job, progress, finished=True)
        again = JobProgress()
        again.CopyFrom(progress)
        again.phase, again.position = CLEAR, b""
        return lambda _: chunk(job, again)

    def _turn(self, scope: Scope, job: JobRow) -> Chunk:
        """Promote the new version, or deactivate the older one."""
        spec, progress = records(job)
        if progress.phase == PROMOTE:
            return promoted(scope, job, self._promotion, KeyPurpose.INDEX)
        for row in of_state(scope, KeyPurpose.INDEX, job.program, KeyState.ACTIVE):
            if row.version < spec.key_version:
                self._promotion.deactivate(scope, row)
        return next_phase(job, progress)


def _clear(scope: Scope, job: JobRow, limit: int) -> Chunk:
    spec, progress = records(job)
    _, position = scope.tx.moves.clear(job.program, spec.key_version, progress.position, limit)
    if not position:
        return next_phase(job, progress)
    progress.position = position
    return chunk(job, progress, full=True)
