"""Processes that serve from the database, by its clock."""

from vault.model.rows import ProcessRow
from vault.stores.postgres.session import Session

_NOW_MS = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
_SEE = f"""INSERT INTO process (process_id, access_sha256, seen_ms) VALUES (%b, %b, {_NOW_MS})
    ON CONFLICT (process_id) DO UPDATE
    SET access_sha256 = excluded.access_sha256, seen_ms = excluded.seen_ms"""  # noqa: S608  our clock
_ALL = "SELECT process_id, access_sha256, seen_ms FROM process ORDER BY process_id"
_FORGET = f"""DELETE FROM process WHERE process_id IN (
    SELECT process_id FROM process WHERE process_id = %b OR seen_ms < {_NOW_MS} - %b
    ORDER BY process_id FOR UPDATE SKIP LOCKED)"""  # noqa: S608  our clock


class PostgresProcesses:
    """Processes."""

    def __init__(self, session: Session) -> None:
        self._run = session.run

    def see(self, process_id: bytes, access_sha256: bytes) -> None:
        """Take down that a process serves now, by this access file."""
        self._run(_SEE, (process_id, access_sha256))

    def all(self) -> list[ProcessRow]:
        """Return every process that is taken down, by id."""
        return list(map(ProcessRow._make, self._run(_ALL).fetchall()))

    def now_ms(self) -> int:
        """Return the time in milliseconds."""
        return int(self._run(f"SELECT {_NOW_MS}").fetchall()[0][0])

    def forget(self, process_id: bytes, seconds: float) -> None:
        """Strike out a process, and all that were not seen for some seconds.

        Rows that another is just changing are passed over.
        """
        self._run(_FORGET, (process_id, round(seconds * 1000)))
