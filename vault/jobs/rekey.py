"""Re-keying the digest index: every stored code, current or superseded, gets its digest under a new index key.

The phases, each in transactions of its own:

0. Promote: a new version becomes active beside the one before. From now on both are looked up, and a new code claims
   its digest under both.
1. Settle: wait until everything that began before has ended, in all processes.
2. Drain: open each code that is under an older version, and give its row the new digest (``redigest``).
3. Compare: settle, then go through the rows that are under an older version still, those that new codes have claimed
   beside their own, and find none whose code lacks a row under the new one, but for rows that fail their check; if one
   does, drain again.
4. Flip: the older version is deactivated: neither looked up nor claimed any more.
5. Settle: nobody looks anything up by the older version from here on.
6. Clear: delete the rows under it, each only where its code has a row under the new version.
7. Prove: settle, compare once more, and count none that is left but for those that fail their check.

1. At no moment is a code found by neither version: a transaction reads one snapshot, in which a row has the one digest
   or the other, and both are looked for. At no moment can a code be issued that was issued before: it would have to
   claim both.
2. No code's only row is ever deleted; rows that fail their check are counted, named in the log and left. Such a row
   does not keep the older version in use: its code can never have another digest, and who has it gets a new one.

Rows were written anew beside the old ones once, which were deleted in the end. To change them where they are takes less
time, and no room in the file or in this process.

It opens every code of the program, in this process's memory, and leaves an event with an item for each card.
"""

import asyncio
from typing import Final

from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.chunk import Chunk, Step
from vault.jobs.drain import (
    BOX_SECONDS,
    DRAIN,
    PROMOTE,
    SETTLE,
    Draining,
    Moved,
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

CHECKED_ROWS: Final = 1_000
"""Rows without another one that are checked at once."""


class Rekey:
    """The kind of job."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, promotion: Promotion) -> None:
        self._recorder = recorder
        self._promotion = promotion
        self._mover = Redigest()
        self._draining = Draining(recorder, self._mover, check_alone)

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Prepare the next chunk."""
        spec, progress = records(job)
        if progress.phase in (SETTLE, SETTLE_AGAIN):
            await self._recorder.store.settle()
            return lambda _: next_phase(job, progress)
        if progress.phase == DRAIN:
            return await self._draining.prepare(job, progress, limit)
        if progress.phase in (COMPARE, PROVE):
            return await self._compare(job, spec, progress)
        if progress.phase == CLEAR:
            return lambda scope: _clear(scope, job, limit)
        return lambda scope: self._turn(scope, job)

    async def _compare(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        await store.settle()
        good, spoilt = await self._lacking(job.program, spec.key_version)
        if good:
            return drained_again(job, progress, good)
        if progress.phase == COMPARE:
            return lambda _: next_phase(job, progress)
        (tray,) = Redigest.trays
        older = tray.older(spec.key_version, job.program)
        if await store.read(lambda tx: tx.moves.left(older)) <= spoilt:
            return lambda _: chunk(job, progress, finished=True)
        again = JobProgress()
        again.CopyFrom(progress)
        again.phase, again.position = CLEAR, b""
        return lambda _: chunk(job, again)

    async def _lacking(self, program: str, version: int) -> tuple[int, int]:
        """Check the rows whose codes lack one under the new version; return how many are good, and fail their check.

        Counts alone would not do: rows that were refused might no longer be there, and good ones in their place.
        """
        spoilt, last = 0, b""
        while True:
            snapshot, rows = await self._recorder.store.read(
                lambda tx, after=last: (  # type: ignore[misc]  # what it returns is known
                    self._recorder.catalogue.at(tx),
                    tx.moves.lacking(program, version, after, CHECKED_ROWS),
                )
            )
            moved = await asyncio.to_thread(self._mover.move, snapshot, 0, rows) if rows else Moved((), ())
            spoilt += moved.refused
            if moved.rows or len(rows) < CHECKED_ROWS:
                return len(moved.rows), spoilt
            last = rows[-1].digest

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
