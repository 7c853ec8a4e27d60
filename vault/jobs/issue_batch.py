"""Issues the cards of a batch."""

from vault.audit.event import Item
from vault.errors import FailedPrecondition
from vault.jobs.chunk import Chunk, Step
from vault.model.rows import BatchRow, JobRow
from vault.model.states import BatchState
from vault.service.issuing.batches import batch_of, put_batch
from vault.service.issuing.issue import CardPlan, Issuer, Prepared
from vault.service.issuing.preparation import Preparation
from vault.service.recorder import Recorder, Scope

BOX_SECONDS = 0.05


class IssueBatch:
    """Prepares a chunk's cards outside the transaction, and writes them in it.

    The cursor is the next card's position.
    """

    box_seconds = BOX_SECONDS

    def __init__(self, recorder: Recorder, preparation: Preparation, issuer: Issuer) -> None:
        self._recorder = recorder
        self._preparation = preparation
        self._issuer = issuer

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Make the cards from the cursor on, ``limit`` of them at most."""
        batch = await self._recorder.store.read(lambda tx: self._batch(self._recorder.scope(tx), job))
        end = min(job.cursor + limit, job.cursor + self._preparation.most, job.total_count)
        plans = [
            CardPlan(
                reference=batch.reference,
                expires_ms=batch.expires_ms,
                batch_id=batch.batch_id,
                batch_position=position,
            )
            for position in range(job.cursor, end)
        ]
        prepared = await self._preparation.prepare(job.program, plans)
        return lambda scope: self._write(scope, job, prepared, end)

    def _write(self, scope: Scope, job: JobRow, prepared: Prepared, end: int) -> Chunk:
        batch = self._batch(scope, job)
        scope.snapshot.running_program(job.program)
        cards = self._issuer.claim(scope, prepared)
        finished = end == job.total_count
        if finished:
            put_batch(scope, batch._replace(state=BatchState.READY))
        items = [Item(new.card.card_id, "DONE", b"", new.card.tag) for new in cards]
        return Chunk(items, cursor=end, done=len(cards), finished=finished)

    def _batch(self, scope: Scope, job: JobRow) -> BatchRow:
        batch = batch_of(scope, job.program, job.subject)
        if batch.state != BatchState.ISSUING:
            raise FailedPrecondition("the batch is not being issued", reason="BATCH_ENDED")
        return batch
