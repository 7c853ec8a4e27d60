"""Holds that hold, and principals that are cut off."""

import sqlite3
from collections.abc import Collection

from vault.model.incident_rows import BlockRow, HoldRow
from vault.stores.sqlite.table import Table


class SqliteHolds:
    """Holds."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, HoldRow)

    def tags(self) -> dict[bytes, bytes]:
        """Return the tag of every hold, by id; read from an index, so however long the rows are."""
        return dict(self._table.execute("SELECT hold_id, tag FROM hold"))

    def get(self, hold_ids: Collection[bytes]) -> dict[bytes, HoldRow]:
        """Return the holds with these ids; ids without a hold are left out."""
        return {row.hold_id: row for row in self._table.rows_in("WHERE hold_id IN", [], set(hold_ids))}

    def insert(self, row: HoldRow) -> None:
        """Write a new hold; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def delete(self, hold_id: bytes) -> None:
        """Delete a hold; raise ``NotFound`` if there is none."""
        self._table.delete((hold_id,))

    def page(self, program: str, after: bytes, limit: int) -> list[HoldRow]:
        """Return up to ``limit`` holds of a program with ids after ``after`` (empty: from the first), by id."""
        return self._table.rows("WHERE program = ? AND hold_id > ? ORDER BY hold_id LIMIT ?", (program, after, limit))


class SqliteBlocks:
    """Blocks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, BlockRow)

    def all(self) -> list[BlockRow]:
        """Return every block, by program and principal."""
        return self._table.rows("ORDER BY program, principal")

    def put(self, row: BlockRow) -> None:
        """Insert or replace a block."""
        self._table.put([row])

    def delete(self, program: str, principal: str) -> None:
        """Delete a block; raise ``NotFound`` if there is none."""
        self._table.delete((program, principal))
