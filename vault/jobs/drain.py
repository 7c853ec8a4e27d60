"""Moving rows from old versions of a key to the newest, table by table, until it is proven that none is left.

The phases of such a job, each in transactions of its own:

0. Promote: the version that waits becomes active (one is made where none waits), the one before is deactivated.
1. Settle: wait until everything that began before the promotion has ended, in all processes; from here on nothing is
   written under an older version.
2. Drain: go through every table and column that can name such a key (``service.naming``), and move the rows that name
   an older version. What is to be written is made outside the transaction, and written only where the row still is
   what was read; a row that others changed meanwhile is left for the next pass.
3. Prove: settle once more, count on one snapshot what still names an older version, and drain again while there is
   anything but the rows that were refused.

What the next chunk writes is made while the present one is written (``ahead``).

A row that fails its check is counted as an error, named in the log and left as it is, since nobody knows what it should
be; a key that it names cannot be destroyed until it is gone.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from vault import log
from vault.audit.event import Item
from vault.crypto.rowtag import name_of
from vault.errors import Unavailable
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.jobs.ahead import Ahead
from vault.jobs.chunk import Chunk, Step
from vault.model.rows import JobRow
from vault.model.shape import Shape
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder, Scope
from vault.service.rotation.promotion import Promotion, check_no_rival
from vault.stores.moves import MoveRecords, Older

_log = log.get(__name__)

BOX_SECONDS: Final = 0.012
"""How long a chunk's transaction should take, so that a validation that waits for it is not late."""

PROMOTE, SETTLE, DRAIN, PROVE = range(4)

_FORMAT: Final = 1


class Tray(NamedTuple):
    """Rows of a table that are moved alike.

    Fields:
        shape: The table.
        columns: The columns that are replaced.
        naming: The columns that name versions, where those are not all that are replaced; a row is moved if any of
            them names an older one.
        sealed: The sealed columns that are needed, where those are not the ones that are replaced.
        most: Rows at once, at most.
    """

    shape: Shape
    columns: tuple[str, ...]
    naming: tuple[str, ...] = ()
    sealed: tuple[str, ...] = ()
    most: int = 1 << 20

    def older(self, version: int, program: str) -> Older:
        """Return the rows that name an older version than this."""
        return Older(self.shape, self.naming or self.columns, version, program or None)


class Moved(NamedTuple):
    """Rows as they were read, the new values of the tray's columns for each, and how many were refused for a reason."""

    rows: Sequence[Any]
    values: Sequence[tuple[Any, ...]]
    refused: int = 0
    reason: str = ""


class Ready(NamedTuple):
    """What a chunk writes: the keys by which it was made, the tray's number, its rows, and the progress after it."""

    snapshot: Snapshot
    table: int
    moved: Moved
    after: JobProgress
    full: bool


class Mover(Protocol):
    """How rows get from one key to another."""

    @property
    def purpose(self) -> KeyPurpose:
        """What the keys are for."""

    @property
    def trays(self) -> Sequence[Tray]:
        """Every table that names such keys."""

    async def reserve(self, program: str, count: int) -> int:
        """See to it that some rows, ``count`` at most, can be moved, and return how many."""

    def move(self, snapshot: Snapshot, table: int, rows: Sequence[Any]) -> Moved:
        """Make what rows of the tray of a number, 1 or more of one program or of all, need under the active key.

        Raises:
            Unavailable: STALE: what was reserved is used up; try again.
        """


class Drain:
    """A kind of job that moves rows."""

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, promotion: Promotion, mover: Mover) -> None:
        """Use a mover."""
        self._recorder = recorder
        self._promotion = promotion
        self._mover = mover
        self._draining = Draining(recorder, mover)

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Prepare the next chunk."""
        spec, progress = records(job)
        if progress.phase == PROMOTE:
            return lambda scope: promoted(scope, job, self._promotion, self._mover.purpose)
        if progress.phase == SETTLE:
            await self._recorder.store.settle()
            return lambda _: next_phase(job, progress)
        if progress.phase == DRAIN:
            return await self._draining.prepare(job, progress, limit)
        return await self._prove(job, spec, progress)

    async def _prove(self, job: JobRow, spec: JobSpec, progress: JobProgress) -> Step:
        store = self._recorder.store
        await store.settle()
        olders = [tray.older(spec.key_version, job.program) for tray in self._mover.trays]
        left = await store.read(lambda tx: sum(map(tx.moves.left, olders)))
        if left <= progress.skipped_count:
            return lambda _: chunk(job, progress, finished=True)
        return drained_again(job, progress, left)


class Draining:
    """The phase that goes through a mover's tables."""

    def __init__(self, recorder: Recorder, mover: Mover, look_at: Callable[[Scope, Moved], None] | None = None) -> None:
        """Use a mover; ``look_at`` is shown rows of which some were not moved, in the same transaction."""
        self._recorder = recorder
        self._mover = mover
        self._look_at = look_at
        self._ahead: Ahead[Ready] = Ahead()

    async def prepare(self, job: JobRow, progress: JobProgress, limit: int) -> Step:
        """Prepare the next chunk; the last one leaves the job in the next phase."""
        ready = await self._ahead.take(_place(job, progress), partial(self._ready, job, progress, limit))
        if ready.after.phase == progress.phase:
            self._ahead.begin(_place(job, ready.after), partial(self._ready, job, ready.after, limit))
        return lambda scope: self._write(scope, job, ready)

    async def _ready(self, job: JobRow, progress: JobProgress, limit: int) -> Ready:
        """Make what ``limit`` rows at most from a progress on need."""
        trays = self._mover.trays
        limit = await self._mover.reserve(job.program, min(limit, trays[progress.table].most))
        snapshot, table, rows, position = await self._recorder.store.read(
            lambda tx: (self._recorder.catalogue.at(tx), *_next(tx.moves, trays, job, progress, limit))
        )
        moved = await asyncio.to_thread(self._mover.move, snapshot, table, rows) if rows else Moved((), ())
        after = JobProgress()
        after.CopyFrom(progress)
        after.table, after.position = table, position
        after.seen_count += len(rows)
        after.skipped_count += moved.refused
        if not position:
            last = table + 1 == len(trays)
            after.table, after.phase = (0, progress.phase + 1) if last else (table + 1, progress.phase)
        return Ready(snapshot, table, moved, after, full=bool(position))

    def _write(self, scope: Scope, job: JobRow, ready: Ready) -> Chunk:
        snapshot, table, moved, after, full = ready
        tray = self._mover.trays[table]
        if scope.snapshot.key_rows != snapshot.key_rows:
            raise Unavailable("keys have changed meanwhile; try again", reason="STALE", retry_seconds=0.0)
        swapped = scope.tx.moves.swap(tray.shape, tray.columns, moved.rows, moved.values)
        if self._look_at is not None and swapped < len(moved.rows):
            self._look_at(scope, moved)
        return chunk(
            job,
            after,
            items=_items(scope, tray, moved, swapped),
            done=swapped,
            errors=max(0, after.skipped_count - job.error_count),
            last_error=moved.reason,
            full=full,
        )


def drained_again(job: JobRow, progress: JobProgress, left: int) -> Step:
    """Return the step after which a job goes through its tables once more, since so many rows are left."""
    _log.info("job_goes_again", job=job.job_id.hex(), left=left)
    again = JobProgress(format=_FORMAT, phase=DRAIN, seen_count=progress.seen_count)
    return lambda _: chunk(job, again)


def _place(job: JobRow, progress: JobProgress) -> tuple[bytes, bytes]:
    """Return what a chunk is known by before the one before it is written: its job, and where that will be."""
    return job.job_id, progress.SerializeToString(deterministic=True)


def records(job: JobRow) -> tuple[JobSpec, JobProgress]:
    """Return what a job was asked to do, and how far it is."""
    progress = JobProgress(format=_FORMAT) if job.progress is None else JobProgress.FromString(job.progress)
    return JobSpec(format=_FORMAT) if job.spec is None else JobSpec.FromString(job.spec), progress


def promoted(scope: Scope, job: JobRow, promotion: Promotion, purpose: KeyPurpose) -> Chunk:
    """Promote the version that rows will be moved to, and take down which it is.

    Raises:
        FailedPrecondition: JOB_RUNNING: an older job is at the same rows.
    """
    check_no_rival(scope, job)
    spec, progress = records(job)
    spec.key_version = promotion.promote(scope, purpose, job.program).version
    return next_phase(job, progress)._replace(spec=spec.SerializeToString(deterministic=True))


def next_phase(job: JobRow, progress: JobProgress) -> Chunk:
    """Return the chunk that does nothing but begin the next phase."""
    after = JobProgress(
        format=_FORMAT,
        phase=progress.phase + 1,
        seen_count=progress.seen_count,
        skipped_count=progress.skipped_count,
    )
    return chunk(job, after)


def chunk(  # noqa: PLR0913  what a chunk may say
    job: JobRow,
    progress: JobProgress,
    *,
    items: Sequence[Item] = (),
    done: int = 0,
    errors: int = 0,
    last_error: str = "",
    finished: bool = False,
    full: bool = False,
) -> Chunk:
    """Return the chunk that leaves a job with this progress."""
    written = progress.SerializeToString(deterministic=True)
    return Chunk(items, job.cursor + 1, done, finished, written, errors, last_error, None, full)


def kept(shape: Shape, rows: Sequence[Any], values: Sequence[tuple[Any, ...] | None], reason: str) -> Moved:
    """Return the rows that have new values; name those that have none in the log."""
    refused = [row for row, new in zip(rows, values, strict=True) if new is None]
    for row in refused:
        _log.error("row_refused", problem=f"a row of table {shape.table} fails its check: {name_of(shape, row)}")
    if not refused:
        return Moved(rows, values)  # type: ignore[arg-type]  # none of them is None
    pairs = [(row, new) for row, new in zip(rows, values, strict=True) if new is not None]
    return Moved([row for row, _ in pairs], [new for _, new in pairs], len(refused), reason)


def _next(
    moves: MoveRecords, trays: Sequence[Tray], job: JobRow, progress: JobProgress, limit: int
) -> tuple[int, list[Any], bytes]:
    """Return the next rows, of the first table from the progress's on that has any, and where to go on."""
    version = records(job)[0].key_version
    position = progress.position
    for table in range(progress.table, len(trays)):
        tray = trays[table]
        sealed = tray.sealed or tray.columns
        rows, after = moves.walk(tray.older(version, job.program), sealed, position, min(limit, tray.most))
        if rows:
            return table, rows, after
        position = b""
    return len(trays) - 1, [], b""


def _items(scope: Scope, tray: Tray, moved: Moved, swapped: int) -> list[Item]:
    """Return an item for each card whose row was tagged anew, or whose record or code was moved otherwise."""
    if "card_id" not in tray.shape.columns:
        return []
    if tray.columns != ("tag",):
        return [Item(card_id, "DONE") for card_id in dict.fromkeys(row.card_id for row in moved.rows)]
    if tray.shape.table != "card":
        return []
    items = [Item(row.card_id, "DONE", row.tag, tag) for row, (tag,) in zip(moved.rows, moved.values, strict=True)]
    if swapped == len(items):
        return items
    # Some were changed meanwhile: those that have the new tag now were moved here.
    by_program: dict[str, list[bytes]] = {}
    for row in moved.rows:
        by_program.setdefault(row.program, []).append(row.card_id)
    tags = {card.tag for program, ids in by_program.items() for card in scope.tx.cards.get(program, ids).values()}
    return [item for item in items if item.tag_after in tags]
