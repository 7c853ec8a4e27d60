"""Closes the unsold cards of a batch that was cancelled or withdrawn."""

from vault.audit.event import Item
from vault.errors import IntegrityFailure
from vault.jobs.chunk import Chunk, Step
from vault.model.rows import CardRow, JobRow
from vault.model.shape import SHAPES
from vault.model.states import CardState
from vault.service import tally
from vault.service.recorder import Scope
from vault.service.select import intact

BOX_SECONDS = 0.05


class CloseBatch:
    """Walks a batch by position. The cursor is the next position; cards that are sold stay as they are."""

    box_seconds = BOX_SECONDS

    def __init__(self, slot: int) -> None:
        """Count in the tally's ``slot``."""
        self._slot = slot

    async def prepare(self, job: JobRow, limit: int) -> Step:
        """Nothing can be prepared: what a card is, is known in the transaction."""
        return lambda scope: self._write(scope, job, limit)

    def _write(self, scope: Scope, job: JobRow, limit: int) -> Chunk:
        cards = scope.tx.cards.in_batch(job.subject, job.cursor, limit)
        refused = [card for card in cards if not intact(scope.snapshot, "card", card)]
        if refused:
            raise IntegrityFailure("a card's row failed its integrity check", reason="ROW_TAG")
        unsold = [card for card in cards if card.state == CardState.INACTIVE]
        closed = scope.snapshot.tagger.tag_many(SHAPES["card"], [_close(card) for card in unsold])
        scope.tx.cards.update(closed)
        tally.change(scope, job.program, self._slot, -len(closed))
        items = [
            Item(after.card_id, "DONE", before.tag, after.tag) for before, after in zip(unsold, closed, strict=True)
        ]
        return Chunk(items, cursor=job.cursor + len(cards), done=len(closed), finished=len(cards) < limit)


def _close(card: CardRow) -> CardRow:
    return card._replace(state=CardState.CLOSED, revision=card.revision + 1)
