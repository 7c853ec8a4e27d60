"""Answered requests."""

import sqlite3
from collections.abc import Collection, Sequence

from vault.model.rows import RequestRow
from vault.stores.sqlite.table import Table

_SWEEP = """DELETE FROM request WHERE rowid IN (
    SELECT rowid FROM request WHERE created_ms < ? ORDER BY created_ms LIMIT ?)"""


class SqliteRequests:
    """Answered requests."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, RequestRow)

    def get(self, principal: str, request_id: bytes) -> RequestRow | None:
        """Return an answered request; None if there is none."""
        return self._table.row("WHERE principal = ? AND request_id = ?", (principal, request_id))

    def among(self, principal: str, request_ids: Collection[bytes]) -> dict[bytes, RequestRow]:
        """Return a principal's answered requests among some, by their ids."""
        found = self._table.rows_in("WHERE principal = ? AND request_id IN", [principal], set(request_ids))
        return {row.request_id: row for row in found}

    def insert(self, row: RequestRow) -> None:
        """Write an answered request; raise ``AlreadyExists`` if the principal has used the id."""
        self._table.insert([row])

    def insert_all(self, rows: Sequence[RequestRow]) -> None:
        """Write answered requests; raise ``AlreadyExists`` if a principal has used an id of his."""
        self._table.insert(rows)

    def sweep(self, before_ms: int, limit: int) -> int:
        """Delete up to ``limit`` requests created before a time, and return how many."""
        return self._table.execute(_SWEEP, (before_ms, limit)).rowcount
