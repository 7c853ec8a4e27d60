"""Batches."""

import sqlite3

from vault.model.rows import BatchRow
from vault.stores.sqlite.table import Table


class SqliteBatches:
    """Batches."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, BatchRow)

    def get(self, batch_id: bytes) -> BatchRow | None:
        """Return a batch; None if there is none."""
        return self._table.row("WHERE batch_id = ?", (batch_id,))

    def insert(self, row: BatchRow) -> None:
        """Write a new batch; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: BatchRow) -> None:
        """Replace the batch with the row's id; raise ``NotFound`` if there is none."""
        self._table.update([row])

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[BatchRow]:
        """Return up to ``limit`` batches, newest first, that come after ``before``, a (created_ms, batch_id)."""
        return self._table.newest(program, before, limit)
