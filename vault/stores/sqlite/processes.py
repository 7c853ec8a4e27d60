"""Processes that serve from the database, by its clock."""

import sqlite3

from vault.model.rows import ProcessRow

_NOW_MS = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
_SEE = f"""INSERT INTO process (process_id, access_sha256, seen_ms) VALUES (?, ?, {_NOW_MS})
    ON CONFLICT (process_id) DO UPDATE SET access_sha256 = excluded.access_sha256, seen_ms = excluded.seen_ms"""  # noqa: S608  our clock
_ALL = "SELECT process_id, access_sha256, seen_ms FROM process ORDER BY process_id"
_FORGET = f"DELETE FROM process WHERE process_id = ? OR seen_ms < {_NOW_MS} - ?"  # noqa: S608  our clock


class SqliteProcesses:
    """Processes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def see(self, process_id: bytes, access_sha256: bytes) -> None:
        """Take down that a process serves now, by this access file."""
        self._execute(_SEE, (process_id, access_sha256))

    def all(self) -> list[ProcessRow]:
        """Return every process that is taken down, by id."""
        return list(map(ProcessRow._make, self._execute(_ALL)))

    def now_ms(self) -> int:
        """Return the time in milliseconds."""
        return int(self._execute(f"SELECT {_NOW_MS}").fetchone()[0])

    def forget(self, process_id: bytes, seconds: float) -> None:
        """Strike out a process, and all that were not seen for some seconds."""
        self._execute(_FORGET, (process_id, round(seconds * 1000)))
