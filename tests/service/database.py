"""A vault's database file as somebody with the disk sees it: a connection of its own, beside the vault's."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vault.model.shape import SHAPES

_AWAY: Mapping[type, object] = {int: -99, str: "~", bytes: b"~", float: -0.5}


class Database:
    """Reads and changes rows directly, tags and all left as they are."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, table: str, **equal: object) -> list[dict[str, Any]]:
        """Return the rows of a table whose columns have the values given, in order of their rowids."""
        where = " AND ".join(f"{name} IS ?" for name in equal) or "1"
        with self._open() as connection:
            statement = f"SELECT rowid AS rowid, * FROM {table} WHERE {where} ORDER BY rowid"
            return [dict(row) for row in connection.execute(statement, [*equal.values()])]

    def count(self, table: str) -> int:
        """Count the rows of a table."""
        with self._open() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def put(self, table: str, rowid: int, **values: object) -> None:
        """Change columns of a row."""
        names = ", ".join(f"{name} = ?" for name in values)
        with self._open() as connection:
            connection.execute(f"UPDATE {table} SET {names} WHERE rowid = ?", [*values.values(), rowid])

    def delete(self, table: str, rowid: int) -> None:
        """Delete a row."""
        with self._open() as connection:
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", [rowid])

    def swap(self, table: str, column: str, one: dict[str, Any], other: dict[str, Any]) -> None:
        """Swap a column's values between two rows, by way of a value that nothing has if it must be unique."""
        if column in SHAPES[table].key:
            self.put(table, one["rowid"], **{column: _AWAY[type(one[column])]})
        self.put(table, other["rowid"], **{column: one[column]})
        self.put(table, one["rowid"], **{column: other[column]})

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return every row of every table."""
        return {table: self.rows(table) for table in SHAPES}

    def kind(self, table: str, column: str) -> str:
        """Return the declared type of a column."""
        with self._open() as connection:
            found = connection.execute(f"SELECT type FROM pragma_table_info('{table}') WHERE name = ?", [column])
            return str(found.fetchone()[0])
