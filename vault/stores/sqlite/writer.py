"""Runs what writes: pieces of work that arrived together share one commit.

1. The pieces of a group are those that waited when the group began, up to ``most`` and as many as fit in about
   25 ms; nobody waits for more to arrive.
2. A piece that raises is undone alone (a savepoint of its own), and its callbacks have run before the next
   piece does. For a savepoint SQLite keeps every page that the piece changes a second time: 10 to 15 MiB for a
   job's chunk, whose pieces therefore get a commit each.
3. If the transaction cannot begin or end, every piece of the group gets ``Unavailable``, and all their
   callbacks have run, newest piece first, before any other work of this process does.
4. Processes take turns by ``Turn`` before BEGIN IMMEDIATE, so SQLite's lock is never polled among them.
"""

import sqlite3
import time
from collections.abc import Callable

from vault.stores.lane import Lane, Piece
from vault.stores.sqlite.fault import translated, undone
from vault.stores.sqlite.moves import Places
from vault.stores.sqlite.transaction import SqliteTransaction
from vault.stores.sqlite.turn import Turn

GROUP_PIECES = 256
"""Pieces that share a commit at most."""

GROUP_SECONDS = 0.025


class Writer:
    """Serves groups of pieces over one connection; used by one lane's thread."""

    def __init__(
        self, connection: sqlite3.Connection, turn: Turn, written: Callable[[], None], places: Places, most: int
    ) -> None:
        """Use a connection and a turn in the queue of writers.

        ``written`` is called after each commit; ``most`` pieces share one at most.
        """
        self._connection = connection
        self._most = most
        self._turn = turn
        self._written = written
        self._transaction = SqliteTransaction(connection, places)

    def serve(self, group: list[Piece], lane: Lane) -> None:
        """Run a group in one transaction and settle each of its pieces."""
        try:
            with self._turn:
                self._begin(group, lane)
                self._run(group, lane)
        except (OSError, sqlite3.Error) as error:
            _fail_all(group, error)
        self._written()

    def finish(self) -> None:
        """Close the connection and leave the queue."""
        self._connection.close()
        self._turn.close()

    def _begin(self, group: list[Piece], lane: Lane) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            while len(group) < self._most and (piece := lane.take()) is not None:
                group.append(piece)  # those that wait would only wait for the same failure
            raise

    def _run(self, group: list[Piece], lane: Lane) -> None:
        others = min(lane.waiting(), self._most - 1)
        shared = others > 0
        deadline = time.monotonic() + GROUP_SECONDS
        try:
            self._run_piece(group[0], shared=shared)
            while others > 0 and time.monotonic() < deadline and (piece := lane.take()) is not None:
                others -= 1
                group.append(piece)
                self._run_piece(piece, shared=True)
            if self._connection.in_transaction or group[0].fault is None:
                self._connection.execute("COMMIT")
        except BaseException as error:
            try:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            finally:
                _fail_all(group, error)
            if not isinstance(error, sqlite3.Error):
                raise

    def _run_piece(self, piece: Piece, *, shared: bool) -> None:
        connection = self._connection
        if shared:
            connection.execute("SAVEPOINT piece")
        self._transaction.callbacks = piece.callbacks
        try:
            piece.result = piece.work(self._transaction)
        except BaseException as error:  # whatever it is, it is its caller's
            if not connection.in_transaction:  # a full or failing disk makes SQLite undo everything by itself
                message = "SQLite has undone the transaction"
                raise error if isinstance(error, sqlite3.Error) else sqlite3.OperationalError(message) from error
            if shared:
                connection.execute("ROLLBACK TO piece")
                connection.execute("RELEASE piece")
            else:
                connection.execute("ROLLBACK")
            piece.fail(translated(error))
        else:
            if shared:
                connection.execute("RELEASE piece")


def _fail_all(group: list[Piece], error: BaseException) -> None:
    for piece in reversed(group):
        if piece.fault is None:
            piece.fail(undone(error))
