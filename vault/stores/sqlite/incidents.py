"""Incidents and their timelines."""

import sqlite3

from vault.model.incident_rows import IncidentRow, IncidentStepRow
from vault.stores.sqlite.table import Table


class SqliteIncidents:
    """Incidents and their steps."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, IncidentRow)
        self._steps = Table(connection, IncidentStepRow)

    def get(self, incident_id: bytes) -> IncidentRow | None:
        """Return an incident; None if there is none."""
        return self._table.row("WHERE incident_id = ?", (incident_id,))

    def insert(self, row: IncidentRow) -> None:
        """Write a new incident; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: IncidentRow) -> None:
        """Replace the incident with the row's id; raise ``NotFound`` if there is none."""
        self._table.update([row])

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[IncidentRow]:
        """Return up to ``limit`` incidents after ``before``, a (created_ms, incident_id), newest first."""
        return self._table.newest(program, before, limit)

    def all(self) -> list[IncidentRow]:
        """Return every incident of every program, by id."""
        return self._table.rows("ORDER BY incident_id")

    def add_step(self, row: IncidentStepRow) -> None:
        """Write a step; raise ``AlreadyExists`` if its number is taken."""
        self._steps.insert([row])

    def steps(self, incident_id: bytes) -> list[IncidentStepRow]:
        """Return an incident's steps, by number."""
        return self._steps.rows("WHERE incident_id = ? ORDER BY number", (incident_id,))
