"""Serials."""

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence

from vault.model.rows import SerialRow
from vault.stores.sqlite.claims import claim
from vault.stores.sqlite.table import Table


class SqliteSerials:
    """Serials."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, SerialRow)

    def claim(self, rows: Sequence[SerialRow]) -> set[str]:
        """Write each row whose program and serial are free, and return the serials that were not.

        Quickest when sorted by serial. A serial that stands in the call twice in a program is not written
        and is returned.
        """
        by_program: defaultdict[str, list[SerialRow]] = defaultdict(list)
        for row in rows:
            by_program[row.program].append(row)
        taken: set[str] = set()
        for some in by_program.values():
            taken |= claim(self._table, "serial", some, [row.serial for row in some], "program = ? AND")
        return taken

    def get(self, program: str, serials: Collection[str]) -> dict[str, SerialRow]:
        """Return the rows of these serials; serials without a row are left out."""
        return {row.serial: row for row in self._table.rows_in("WHERE program = ? AND serial IN", [program], serials)}
