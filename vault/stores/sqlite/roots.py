"""Confirmed copies of the root key."""

import sqlite3

from vault.model.rows import RootCopyRow
from vault.stores.sqlite.table import Table


class SqliteRootCopies:
    """Confirmed copies, one row for each version of the root key."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, RootCopyRow)

    def all(self) -> list[RootCopyRow]:
        """Return every confirmed copy, by root version."""
        return self._table.rows("ORDER BY root_version")

    def put(self, row: RootCopyRow) -> None:
        """Insert or replace the confirmation of a root version."""
        self._table.put([row])
