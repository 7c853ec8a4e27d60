"""Jobs and their leases, by the database's clock."""

import sqlite3

from vault.model.rows import JobRow
from vault.stores.sqlite.table import Table

_NOW_MS = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"

# The literal 1 is JobState.RUNNING: an index that holds running jobs only is used where the statement says so.
_FREE = f"""WHERE state = 1 AND (lease_owner = ?1 OR lease_until_ms <= {_NOW_MS})
    ORDER BY lease_owner IS ?1 DESC, created_ms, job_id LIMIT 1"""
_TAKE = f"UPDATE job SET lease_owner = ?, lease_until_ms = {_NOW_MS} + ? WHERE job_id = ?"  # noqa: S608  our clock


class SqliteJobs:
    """Jobs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, JobRow)

    def get(self, job_id: bytes) -> JobRow | None:
        """Return a job; None if there is none."""
        return self._table.row("WHERE job_id = ?", (job_id,))

    def insert(self, row: JobRow) -> None:
        """Write a new job; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: JobRow) -> None:
        """Replace the job with the row's id, its lease included; raise ``NotFound`` if there is none."""
        self._table.update([row])

    def page(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[JobRow]:
        """Return up to ``limit`` jobs after ``before``, a (created_ms, job_id), newest first."""
        return self._table.newest(program, before, limit)

    def of_subject(self, subject: bytes) -> list[JobRow]:
        """Return the jobs that work or worked on a subject, oldest first."""
        return self._table.rows("WHERE subject = ? ORDER BY created_ms, job_id", (subject,))

    def unfinished(self, program: str) -> list[JobRow]:
        """Return a program's jobs that are running or paused, oldest first."""
        return self._table.rows("WHERE program = ? AND state IN (1, 5) ORDER BY created_ms, job_id", (program,))

    def is_any_for(self, owner: bytes) -> bool:
        """Whether ``lease`` would give ``owner`` a job now."""
        return self._table.row(_FREE, (owner,)) is not None

    def lease(self, owner: bytes, seconds: float) -> JobRow | None:
        """Give ``owner`` a job for ``seconds``: its own running one, else the oldest whose lease has run out.

        Returns None if there is none.
        """
        free = self._table.row(_FREE, (owner,))
        if free is None:
            return None
        self._table.execute(_TAKE, (owner, round(seconds * 1000), free.job_id))
        return self.get(free.job_id)
