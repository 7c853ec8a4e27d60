"""A vault's PostgreSQL database as its administrator sees it: a connection of its own, beside the vault's.

Its tables get a column that no release of the vault knows, ``rowid``, counted up as rows are written: it
tells rows apart here, and shows in every test that a column which a later release adds does not disturb this
one.
"""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.service.database import Database
from vault.model.shape import SHAPES

_KINDS = {"bigint": "INTEGER", "text": "TEXT", "bytea": "BLOB", "double precision": "REAL"}


class PostgresDatabase(Database):
    """Reads and changes rows directly, tags and all left as they are."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        there = "SELECT 1 FROM information_schema.columns WHERE table_name = 'card' AND column_name = 'rowid'"
        if not self._run(there):
            self._run(
                "".join(f"ALTER TABLE {table} ADD rowid bigint GENERATED ALWAYS AS IDENTITY;" for table in SHAPES)
            )

    @property
    def path(self) -> Path:
        """The database's file."""
        pytest.skip("this looks into SQLite's file")

    @path.setter
    def path(self, path: Path) -> None:
        raise AttributeError

    def rows(self, table: str, **equal: object) -> list[dict[str, Any]]:
        """Return the rows of a table whose columns have the values given, in the order of their writing."""
        where = " AND ".join(f"{name} IS NOT DISTINCT FROM %s" for name in equal) or "true"
        return self._run(f"SELECT * FROM {table} WHERE {where} ORDER BY rowid", *equal.values())

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        return int(self._run(f"SELECT count(*) AS count FROM {table}")[0]["count"])

    def put(self, table: str, rowid: int, **values: object) -> None:
        """Change columns of a row."""
        names = ", ".join(f"{name} = %s" for name in values)
        self._run(f"UPDATE {table} SET {names} WHERE rowid = %s", *values.values(), rowid)

    def delete(self, table: str, rowid: int) -> None:
        """Delete a row."""
        self._run(f"DELETE FROM {table} WHERE rowid = %s", rowid)

    def kind(self, table: str, column: str) -> str:
        """Return the type of a column, in SQLite's words."""
        found = self._run(
            "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s", table, column
        )
        return _KINDS[found[0]["data_type"]]

    def _run(self, statement: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []
