"""Cards that jobs gave new codes, and the packages of those codes."""

import sqlite3
from collections.abc import Collection, Sequence

from vault.model.incident_rows import PackageRow, ReissueRow
from vault.stores.sqlite.table import Table


class SqliteReissues:
    """Re-issues and their packages."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, ReissueRow)
        self._packages = Table(connection, PackageRow)

    def insert(self, rows: Sequence[ReissueRow]) -> None:
        """Write new rows; raise ``AlreadyExists`` if the job has had one of the cards."""
        self._table.insert(rows)

    def get(self, job_id: bytes, card_ids: Collection[bytes]) -> dict[bytes, ReissueRow]:
        """Return the job's rows of these cards; cards without a row are left out."""
        found = self._table.rows_in("WHERE job_id = ? AND card_id IN", [job_id], set(card_ids))
        return {row.card_id: row for row in found}

    def page(self, job_id: bytes, after: bytes, limit: int) -> list[ReissueRow]:
        """Return up to ``limit`` rows of a job with card ids after ``after`` (empty: from the first), by card id."""
        return self._table.rows("WHERE job_id = ? AND card_id > ? ORDER BY card_id LIMIT ?", (job_id, after, limit))

    def package(self, package_id: bytes) -> PackageRow | None:
        """Return a package; None if there is none."""
        return self._packages.row("WHERE package_id = ?", (package_id,))

    def put_package(self, row: PackageRow) -> None:
        """Insert or replace a package."""
        self._packages.put([row])
