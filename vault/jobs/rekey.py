"""Re-keying the digest index: every stored code, current or superseded, gets its digest under a new index key.

The phases, each in transactions of its own:

0. Promote: a new version becomes active beside the one before. From now on both are looked up, and a new code claims
   its digest under both.
1. Settle: wait until everything that began before has ended, in all processes.
2. Fill: open each code that is under an older version, and write its row under the new one, complete, beside the old.
3. Compare: settle, then find no code under an older version without a row under the new one; else fill again.
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
from typing import Final, NamedTuple

from vault import log
from vault.audit.event import Item
from vault.crypto.digest import Digester
from vault.crypto.envelope import Place, open_sealed
from vault.crypto.rowtag import name_of
from vault.errors import IntegrityFailure
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.chunk import Chunk, Step
from vault.jobs.drain import BOX_SECONDS, chunk, next_phase, promoted, records
from vault.model.rows import CodeRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.service.catalogue import Snapshot
from vault.service.newcode import check_fresh
from vault.service.promotion import Promotion, of_state
from vault.service.recorder import Recorder, Scope
from vault.stores.moves import Older

_log = log.get(__name__)

PROMOTE, SETTLE, FILL, COMPARE, FLIP, SETTLE_AGAIN, CLEAR, PROVE = range(8)

COMPARED_ROWS: Final = 20_000
"""Rows compared at once; they are only read."""

_CODE: Final = SHAPES["code"]
_SEALED: Final = ("sealed_code", "wrapped_code_key")


class Filled(NamedTuple):
    """New rows of codes, sorted by digest; the cards that were gone through; and how many rows were refused."""

    rows: list[CodeRow]
    cards: list[bytes]
    refused: int
    reason: str


class Rekey:
    """The kind of job."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, promotion: Promotion) -> None:
        self._recorder = recorder
        self._promotion = promotion

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Prepare the next chunk."""
        spec, progress = records(job)
        store = self._recorder.store
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
        older = Older(_CODE, ("index_version",), spec.key_version, job.program)
        snapshot, (rows, position) = await self._recorder.store.read(
            lambda tx: (self._recorder.catalogue.at(tx), tx.moves.walk(older, _SEALED, progress.position, limit))
        )
        filled = await asyncio.to_thread(_make, snapshot, job.program, spec.key_version, rows)
        after = JobProgress()
        after.CopyFrom(progress)
        after.position = position
        after.seen_count += len(rows)
        after.skipped_count += filled.refused
        return lambda scope: _write(scope, job, snapshot, filled, after)

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
            _log.info("job_goes_again", job=job.job_id.hex(), left=after.left_count)
            again = JobProgress(format=progress.format, phase=FILL, seen_count=progress.seen_count)
            return lambda _: chunk(job, again)
        return lambda _: chunk(job, after) if position else next_phase(job, after)

    async def _prove(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        await store.settle()
        older = Older(_CODE, ("index_version",), spec.key_version, job.program)
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


def _make(snapshot: Snapshot, program: str, version: int, rows: Sequence[CodeRow]) -> Filled:
    """Open codes and make their rows under an index version."""
    digester = Digester(version, snapshot.keyring.get(KeyPurpose.INDEX, program, version).secret, program)
    keys = snapshot.keyring.wrapping_keys(program)
    verify = snapshot.tagger.verify
    made: dict[bytes, CodeRow] = {}
    cards: dict[bytes, None] = {}
    refused, reason = 0, ""
    for row in rows:
        _, _, _, card_id, generation, serial, sealed, wrapped, _ = row
        try:
            verify(_CODE, row)
            code = open_sealed(sealed, wrapped, Place("code", "sealed_code", program, card_id, generation), keys)
        except IntegrityFailure as error:
            refused, reason = refused + 1, error.reason
            _log.error("row_refused", problem=f"a code fails its check: {name_of(_CODE, row)}")
            continue
        digest = digester.digest(code)
        # Under two older versions a code has two rows, which give one.
        made[digest] = CodeRow(digest, version, program, card_id, generation, serial, sealed, wrapped, b"")
        cards[card_id] = None
    return Filled(snapshot.tagger.tag_many(_CODE, [made[digest] for digest in sorted(made)]), [*cards], refused, reason)


def _write(scope: Scope, job: JobRow, snapshot: Snapshot, filled: Filled, after: JobProgress) -> Chunk:
    check_fresh(scope, snapshot)
    taken = scope.tx.codes.claim(filled.rows)
    if taken:
        there = scope.tx.codes.by_digest(taken)
        for row in filled.rows:
            found = there.get(row.digest)
            if found is not None and (found.card_id, found.generation) != (row.card_id, row.generation):
                message = f"two cards have one code: {name_of(_CODE, row)}, and {name_of(_CODE, found)}"
                raise IntegrityFailure(message, reason="CODE_TWICE")
    full = bool(after.position)
    if not full:
        after = JobProgress(
            format=after.format, phase=COMPARE, seen_count=after.seen_count, skipped_count=after.skipped_count
        )
    return chunk(
        job,
        after,
        items=[Item(card_id, "DONE") for card_id in filled.cards],
        done=len(filled.rows),
        errors=max(0, after.skipped_count - job.error_count),
        last_error=filled.reason,
        full=full,
    )


def _clear(scope: Scope, job: JobRow, limit: int) -> Chunk:
    spec, progress = records(job)
    _, position = scope.tx.moves.clear(job.program, spec.key_version, progress.position, limit)
    if not position:
        return next_phase(job, progress)
    progress.position = position
    return chunk(job, progress, full=True)
