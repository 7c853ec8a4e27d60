"""Batches."""

from vault.model.rows import BatchRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table


class PostgresBatches:
    """Batches."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, BatchRow)

    def get(self, batch_id: bytes) -> BatchRow | None:
        """Return a batch; None if there is none."""
        return self._table.row("WHERE batch_id = %b", (batch_id,))

    def insert(self, row: BatchRow) -> None:
        """Write a new batch; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: BatchRow) -> None:
        """Replace the batch with the row's id; raise ``NotFound`` if there is none."""
        self._table.update([row])

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[BatchRow]:
        """Return up to ``limit`` batches after ``before``, a (created_ms, batch_id), newest first."""
        return self._table.newest(program, before, limit)
