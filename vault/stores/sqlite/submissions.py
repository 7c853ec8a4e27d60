"""Sealed submissions that were taken."""

import sqlite3
from collections.abc import Collection, Sequence

from vault.model.rows import SubmissionRow
from vault.stores.sqlite.claims import claim
from vault.stores.sqlite.table import Table

_SWEEP = """DELETE FROM submission WHERE rowid IN (
    SELECT rowid FROM submission WHERE created_ms < min(?, (SELECT max(created_ms) FROM submission) - ?)
    ORDER BY created_ms LIMIT ?)"""


class SqliteSubmissions:
    """Sealed submissions that were taken."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, SubmissionRow)

    def get(self, nonces: Collection[bytes]) -> dict[bytes, SubmissionRow]:
        """Return the submissions with these nonces; nonces that were never taken are left out."""
        return {row.nonce: row for row in self._table.rows_in("WHERE nonce IN", [], set(nonces))}

    def claim(self, rows: Sequence[SubmissionRow]) -> set[bytes]:
        """Write each row whose nonce is free, and return the nonces that were not.

        A nonce that stands in the call twice is not written and is returned.
        """
        return claim(self._table, "nonce", rows, [row.nonce for row in rows])

    def sweep(self, before_ms: int, keep_ms: int, limit: int) -> int:
        """Delete up to ``limit`` submissions taken before a time, and return how many.

        None goes that was taken within ``keep_ms`` of the newest: a clock that is ahead deletes none that counts.
        """
        return self._table.execute(_SWEEP, (before_ms, keep_ms, limit)).rowcount
