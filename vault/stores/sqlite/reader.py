"""Runs what only reads, beside the writer.

1. Each piece reads one snapshot, which nothing written later changes.
2. Neither waits for a writer nor makes one wait (WAL).
3. Writing is refused by SQLite itself (query_only).
"""

import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from vault.stores.lane import Lane, Piece
from vault.stores.protocol import Transaction
from vault.stores.sqlite.fault import translated
from vault.stores.sqlite.moves import Places
from vault.stores.sqlite.transaction import SqliteTransaction

T = TypeVar("T")

GROUP_PIECES = 64
GROUP_SECONDS = 0.005


class Reader:
    """Serves pieces over one connection, a snapshot each; used by one lane's thread."""

    def __init__(self, connection: sqlite3.Connection, places: Places) -> None:
        self._connection = connection
        self._transaction = SqliteTransaction(connection, places)

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
            piece.result = _on_snapshot(self._connection, self._transaction, piece.work)
        except BaseException as error:  # noqa: BLE001  whatever it is, it is its caller's
            piece.fail(translated(error))


class Looker:
    """Runs short pieces at once, on the thread of whoever asks; one thread uses it.

    A thread of its own would give Python's lock away and take it back for every row, which costs a busy event
    loop more than the look-up itself.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._transaction = SqliteTransaction(connection)

    def look(self, work: Callable[[Transaction], T]) -> T:
        """Run work on a snapshot.

        Raises:
            Unavailable: The disk is failing.
            IntegrityFailure: The file is damaged.
        """
        self._transaction.callbacks = []
        try:
            return _on_snapshot(self._connection, self._transaction, work)
        except sqlite3.Error as error:
            raise translated(error) from error

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _on_snapshot(connection: sqlite3.Connection, tx: SqliteTransaction, work: Callable[[Transaction], T]) -> T:
    connection.execute("BEGIN")
    try:
        return work(tx)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
