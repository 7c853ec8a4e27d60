"""Counts of codes that are or may become good."""

import sqlite3

from vault.model.rows import TallyRow
from vault.stores.sqlite.table import Table


class SqliteTallies:
    """Tallies."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, TallyRow)

    def get(self, program: str) -> list[TallyRow]:
        """Return every slot of a program, by number."""
        return self._table.rows("WHERE program = ? ORDER BY slot", (program,))

    def get_locked(self, program: str, slot: int) -> TallyRow | None:
        """Return one slot; None if there is none. SQLite has one writer, so it is locked."""
        return self._table.row("WHERE program = ? AND slot = ?", (program, slot))

    def put(self, row: TallyRow) -> None:
        """Insert or replace a slot."""
        self._table.put([row])
