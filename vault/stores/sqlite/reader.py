"""Runs what only reads, beside the writer.

1. Each piece reads one snapshot, which nothing written later changes.
2. Neither waits for a writer nor makes one wait (WAL).
3. Writing is refused by SQLite itself (query_only).
"""

import sqlite3
import time

from vault.stores.lane import Lane, Piece
from vault.stores.sqlite.fault import translated
from vault.stores.sqlite.transaction import SqliteTransaction

GROUP_PIECES = 64
GROUP_SECONDS = 0.005


class Reader:
    """Serves pieces over one connection, a snapshot each; used by one lane's thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._transaction = SqliteTransaction(connection)

    def serve(self, group: list[Piece], lane: Lane) -> None:
        """Run the first piece, then those that wait, as long as nobody waits for the answers for long."""
        deadline = time.monotonic() + GROUP_SECONDS
        self._run_piece(group[0])
        while len(group) < GROUP_PIECES and time.monotonic() < deadline and (piece := lane.take()) is not None:
            group.append(piece)
            self._run_piece(piece)

    def finish(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _run_piece(self, piece: Piece) -> None:
        self._transaction.callbacks = piece.callbacks
        try:
            self._connection.execute("BEGIN")
            try:
                piece.result = piece.work(self._transaction)
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        except BaseException as error:  # noqa: BLE001  whatever it is, it is its caller's
            piece.fail(translated(error))
