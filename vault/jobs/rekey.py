"""Re-keying the digest index: every stored code, current or superseded, gets its digest under a new index key.

The phases, each in transactions of its own:

0. Promote: a new version becomes active beside the one before. From now on both are looked up, and a new code claims
   its digest under both.
1. Settle: wait until everything that began before has ended, in all processes.
2. Fill: open each code that is under an older version, and write its row under the new one, complete, beside the old.
3. Compare: settle, then find as many rows under the new version as under the older, or else go through them and find
   none whose code lacks a row under the new one; if one does, fill again.
4. Flip: the older version is deactivated: neither looked up nor claimed any more.
5. Settle: nobody looks anything up by the older version from here on.
6. Clear: delete the old rows, each only where its code has a row under the new version.
7. Prove: settle, then count none that is left.

1. At no moment is a code found by neither version, and at no moment can a code be issued that was issued before.
2. No code's only row is ever deleted; rows that fail their check are counted, named in the log and left.
3. A new digest is made only of a code that opened at its own place, and its row only from one whose tag holds.

It opens every code of the program, in this process's memory, and leaves an event with an item for each card.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Final

from vault import log
from vault.audit.event import Item
from vault.crypto.rowtag import name_of
from vault.errors import IntegrityFailure, Unavailable
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.ahead import Ahead
from vault.jobs.chunk import Chunk, Step
from vault.jobs.drain import BOX_SECONDS, chunk, next_phase, promoted, records
from vault.jobs.newdigests import CODE, PIECE, SEALED, Mark, Stretch, Written, length, make
from vault.model.rows import JobRow
from vault.model.states import KeyPurpose, KeyState
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.promotion import Promotion, of_state
from vault.stores.moves import Older, Successor
from vault.stores.protocol import Transaction

_log = log.get(__name__)

PROMOTE, SETTLE, FILL, COMPARE, FLIP, SETTLE_AGAIN, CLEAR, PROVE = range(8)

COMPARED_ROWS: Final = 20_000
"""Rows compared at once; they are only read."""


class Rekey:
    """The kind of job."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, promotion: Promotion) -> None:
        self._recorder = recorder
        self._promotion = promotion
        self._stretch: Stretch | None = None
        self._ahead: Ahead[Stretch] = Ahead()

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Prepare the next chunk."""
        spec, progress = records(job)
        store = self._recorder.store
        if progress.phase != FILL:
            self._stretch = None
        if progress.phase in (SETTLE, SETTLE_AGAIN):
            await store.settle()
            return lambda _: next_phase(job, progress)
        if progress.phase == FILL:
            return await self._fill(job, spec, progress, limit)
        if progress.phase == COMPARE:
            return await self._compare(job, spec, progress)
        if progress.phase == PROVE:
            return await self._prove(job, spec, progress)
        if progress.phase == CLEAR:
            return lambda scope: _clear(scope, job, limit)
        return lambda scope: self._turn(scope, job)

    async def _fill(self, job: JobRow, spec: JobSpec, progress: JobProgress, limit: int) -> Step:
        mark = Mark.parse(progress.position)
        snapshot = await self._recorder.store.read(self._recorder.catalogue.at)
        stretch = self._stretch
        if stretch is None or not stretch.fits(job.job_id, mark.start, snapshot):
            self._stretch = None  # before the next is made, not beside it
            place = (job.job_id, spec.key_version)
            make = partial(self._open, job, spec.key_version, snapshot)
            seen = progress.seen_count
            stretch = await self._ahead.take((*place, mark.start), partial(make, mark.start, length(seen)))
            if stretch.end:
                following = length(seen + stretch.seen)
                self._ahead.begin((*place, stretch.end), partial(make, stretch.end, following))
            self._stretch = stretch
        written = stretch.after(mark.digest, limit)

        def write(scope: Scope) -> Chunk:
            if not stretch.fits(job.job_id, mark.start, scope.snapshot):
                raise Unavailable("keys have changed meanwhile; try again", reason="STALE", retry_seconds=0.0)
            return _filled(job, stretch, progress, written, _write(scope, spec.key_version, written.successors))

        return write

    async def _open(self, job: JobRow, version: int, snapshot: Snapshot, start: bytes, most: int) -> Stretch:
        """Read and open a stretch of codes."""
        older = Older(CODE, ("index_version",), version, job.program)
        stretch = Stretch(job.job_id, start, snapshot)
        position = start
        while stretch.seen < most:
            rows, position = await self._recorder.store.read(
                lambda tx, at=position: tx.moves.walk_codes(older, SEALED, at, PIECE)  # type: ignore[misc]
            )
            stretch.add(await asyncio.to_thread(make, snapshot, job.program, version, rows), len(rows))
            if not position:
                break
        stretch.end = position
        stretch.sort()
        return stretch

    async def _compare(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        if not progress.position:
            await store.settle()
            if await store.read(lambda tx: _same_count(tx, job.program, spec.key_version)):
                return lambda _: next_phase(job, progress)
        lacking, position = await store.read(
            lambda tx: tx.moves.lacking(job.program, spec.key_version, progress.position, COMPARED_ROWS)
        )
        after = JobProgress()
        after.CopyFrom(progress)
        after.left_count += lacking
        after.position = position
        if after.left_count > progress.skipped_count:
            _log.info("job_goes_again", job=job.job_id.hex(), left=after.left_count)
            again = JobProgress(format=progress.format, phase=FILL, seen_count=progress.seen_count)
            return lambda _: chunk(job, again)
        return lambda _: chunk(job, after) if position else next_phase(job, after)

    async def _prove(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        await store.settle()
        older = Older(CODE, ("index_version",), spec.key_version, job.program)
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


def _write(scope: Scope, version: int, successors: Sequence[Successor]) -> int:
    """Write new rows, those left alone that are there already, and return how many were written.

    A row that others have changed since it was read has none yet; comparing will find it.

    Raises:
        IntegrityFailure: CODE_TWICE: a digest is another code's, which must not be.
    """
    written = scope.tx.moves.succeed(version, successors)
    if written < len(successors):
        news = scope.tx.codes.by_digest([each.digest for each in successors])
        olds = scope.tx.codes.by_digest([each.old_digest for each in successors])
        for each in successors:
            new, old = news.get(each.digest), olds.get(each.old_digest)
            if new and old and (new.card_id, new.generation) != (old.card_id, old.generation):
                message = f"two cards have one code: {name_of(CODE, old)}, and {name_of(CODE, new)}"
                raise IntegrityFailure(message, reason="CODE_TWICE")
    return written


def _filled(job: JobRow, stretch: Stretch, progress: JobProgress, written: Written, done: int) -> Chunk:
    after = JobProgress()
    after.CopyFrom(progress)
    if not written.ends:
        after.position = Mark(stretch.start, written.successors[-1].digest).position
    else:
        after.position = Mark(stretch.end).position
        after.seen_count += stretch.seen
        after.skipped_count += stretch.refused
        if not stretch.end:
            after.phase = COMPARE
    return chunk(
        job,
        after,
        items=[Item(card_id, "DONE") for card_id in dict.fromkeys(written.card_ids)],
        done=done,
        errors=max(0, after.skipped_count - job.error_count),
        last_error=stretch.reason,
        full=not written.ends,
    )


def _clear(scope: Scope, job: JobRow, limit: int) -> Chunk:
    spec, progress = records(job)
    _, position = scope.tx.moves.clear(job.program, spec.key_version, progress.position, limit)
    if not position:
        return next_phase(job, progress)
    progress.position = position
    return chunk(job, progress, full=True)


def _same_count(tx: Transaction, program: str, version: int) -> bool:
    """Whether as many codes are under a version as under all older ones.

    Each code has one row under each version at most, and none is under this one alone; so then none lacks a row.
    """
    columns = ("index_version",)
    older = tx.moves.left(Older(CODE, columns, version, program))
    return tx.moves.left(Older(CODE, columns, version + 1, program)) == 2 * older
