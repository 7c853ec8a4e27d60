"""Jobs and their leases, by the database's clock."""

from vault.model.rows import JobRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table

_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"

# The literal 1 is JobState.RUNNING: the index of running jobs is used where the statement says so itself.
_TAKE = f"UPDATE job SET lease_owner = %b, lease_until_ms = {_NOW_MS} + %b WHERE job_id = "  # noqa: S608  our clock
_OWN = f"""{_TAKE} (
    SELECT job_id FROM job WHERE state = 1 AND lease_owner = %b
    ORDER BY created_ms, job_id LIMIT 1 FOR NO KEY UPDATE)"""  # noqa: S608  the same
_FREE = f"""{_TAKE} (
    SELECT job_id FROM job WHERE state = 1 AND lease_until_ms <= {_NOW_MS}
    ORDER BY created_ms, job_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)"""  # noqa: S608  the same

_ANY = f"SELECT 1 FROM job WHERE state = 1 AND (lease_owner = %b OR lease_until_ms <= {_NOW_MS}) LIMIT 1"  # noqa: S608  the same


class PostgresJobs:
    """Jobs."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, JobRow)

    def get(self, job_id: bytes) -> JobRow | None:
        """Return a job; None if there is none."""
        return self._table.row("WHERE job_id = %b", (job_id,))

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
        return self._table.rows("WHERE subject = %b ORDER BY created_ms, job_id", (subject,))

    def unfinished(self, program: str) -> list[JobRow]:
        """Return a program's jobs that are running or paused, oldest first."""
        return self._table.rows("WHERE program = %b AND state IN (1, 5) ORDER BY created_ms, job_id", (program,))

    def is_any_for(self, owner: bytes) -> bool:
        """Whether ``lease`` would give ``owner`` a job now."""
        return self._table.run(_ANY, (owner,)).fetchone() is not None

    def lease(self, owner: bytes, seconds: float) -> JobRow | None:
        """Give ``owner`` a job for ``seconds``: its own running one, else the oldest whose lease has run out.

        A free job that another is just taking is passed over. Returns None if there is none.
        """
        length = round(seconds * 1000)
        own = self._table.returned(_OWN, (owner, length, owner))
        return own or self._table.returned(_FREE, (owner, length))
