"""Audit events."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from vault.model.rows import AuditEventRow
from vault.stores.records import AuditPlace
from vault.stores.sqlite.table import Table


class SqliteAudit:
    """Audit events, only ever appended."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, AuditEventRow)

    def append(self, rows: Sequence[AuditEventRow]) -> None:
        """Write events; raise ``AlreadyExists`` if a writer's counter is taken."""
        self._table.insert(rows)

    def page(
        self, program: str | None, start_ms: int, end_ms: int, after: AuditPlace | None, limit: int
    ) -> list[AuditEventRow]:
        """Return up to ``limit`` events of a program (None: of all), in order, from after a place.

        Only events with start ≤ recorded < end.
        """
        tail = "WHERE recorded_ms >= ? AND recorded_ms < ?"
        values: list[Any] = [start_ms if after is None else max(start_ms, after.recorded_ms), end_ms]
        if program is not None:
            tail += " AND program = ?"
            values.append(program)
        if after is not None:
            tail += " AND (recorded_ms, writer_id, counter) > (?, ?, ?)"
            values += after
        return self._table.rows(f"{tail} ORDER BY recorded_ms, writer_id, counter LIMIT ?", [*values, limit])
