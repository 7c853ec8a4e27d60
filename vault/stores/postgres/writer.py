"""Runs what writes: pieces of work that arrived together share one commit.

1. The pieces of a group are those that waited when the group began, up to 60 and as many as fit in about 25
   ms; nobody waits for more to arrive. (PostgreSQL keeps 64 subtransactions of a transaction at hand; with
   more every other session's look-ups slow down.)
2. A piece that raises is undone alone (a savepoint of its own), and its callbacks have run before the next
   piece does.
3. A piece that met another transaction's change (40001, 40P01, or a row lock waited for in vain) is undone,
   its callbacks run, and the group ends there and commits; the piece comes first in the next group, on a new
   snapshot.
4. What fails as a whole before its commit was sent, or is refused by it as not serializable, runs again; after
   three times each piece by itself.
5. A piece that has been tried 12 times and for 5 seconds gets ``Unavailable``.
6. If no connection can be had, or the outcome of the commit is unknown, every piece of the group gets
   ``Unavailable``, and all their callbacks have run, newest piece first, before any other work of this process.
"""

import time
from collections.abc import Callable
from secrets import SystemRandom

import psycopg
from psycopg.pq import TransactionStatus

from vault.errors import VaultError
from vault.stores.lane import Lane, Piece
from vault.stores.postgres.fault import contended, is_conflict, is_lost, translated, undone, unreachable
from vault.stores.postgres.session import Session
from vault.stores.postgres.transaction import PostgresTransaction

GROUP_PIECES = 60
GROUP_SECONDS = 0.025
ATTEMPTS = 12
ATTEMPTS_TOGETHER = 3
PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.02
_UNIFORM = SystemRandom().uniform


class _Lost(Exception):
    """The transaction is gone, and nothing of it was kept."""


class Writer:
    """Serves groups of pieces over one session; used by one lane's thread."""

    def __init__(self, session: Session, uniform: Callable[[float, float], float] = _UNIFORM) -> None:
        """Use a session; ``uniform`` draws the pauses that part those who are in each other's way."""
        self._session = session
        self._uniform = uniform
        self._transaction = PostgresTransaction(session, writes=True)

    def serve(self, group: list[Piece], lane: Lane) -> None:
        """Run a group in one transaction; settle its pieces or have them served again."""
        first = group[0]
        if first.attempts % ATTEMPTS == ATTEMPTS - 1:  # whoever is in the way has some rhythm: leave it
            time.sleep(self._uniform(0, _PAUSE_SECONDS))
        others = lane.waiting()  # whoever comes later may know of what this snapshot does not see
        try:
            self._session.begin()
        except (psycopg.Error, VaultError) as error:
            while len(group) < GROUP_PIECES and (piece := lane.take()) is not None:
                group.append(piece)  # those that wait would only wait for the same failure
            _fail(group, error if isinstance(error, VaultError) else unreachable())
            return
        try:
            aside = self._run(group, lane, others)
        except BaseException as error:
            _fail(group, undone(error))
            self._session.drop()
            if not isinstance(error, psycopg.Error):
                raise
        else:
            _give_back(group, aside, lane)

    def finish(self) -> None:
        """Close the connection."""
        self._session.drop()

    def _run(self, group: list[Piece], lane: Lane, others: int) -> list[Piece]:
        """Run the first piece and up to ``others`` more, and commit; return those that are to run again."""
        first = group[0]
        others = 0 if first.attempts >= ATTEMPTS_TOGETHER else min(others, GROUP_PIECES - 1)
        deadline = time.monotonic() + GROUP_SECONDS
        aside: list[Piece] = []
        try:
            going = self._run_piece(group, aside, shared=others > 0)
            while going and others > 0 and time.monotonic() < deadline and (piece := lane.take()) is not None:
                others -= 1
                group.append(piece)
                going = self._run_piece(group, aside, shared=True)
        except _Lost as lost:
            if self._session.late:  # a database that does not answer is not asked the same again
                raise psycopg.OperationalError from lost
            again = _undo(group, lost)
            self._session.drop()
            return again
        done = [piece for piece in group if piece.fault is None and piece not in aside]
        if not done:
            if len(group) > 1 or not aside:
                self._session.rollback()
            return aside
        try:
            self._session.commit()
        except psycopg.Error as error:
            if not is_conflict(error):
                raise
            again = _undo(done, error) + aside
            self._session.rollback()
            return again
        return aside

    def _run_piece(self, group: list[Piece], aside: list[Piece], *, shared: bool) -> bool:
        """Run the group's last piece; return whether the group may go on."""
        session, piece = self._session, group[-1]
        try:
            if shared:
                session.save()
            session.fault = None
        except psycopg.Error as error:
            raise _Lost from error
        self._transaction.callbacks = piece.callbacks
        try:
            piece.result = piece.work(self._transaction)
            if session.status != TransactionStatus.INTRANS:
                message = "the work has left its transaction in disorder"
                raise psycopg.InternalError(message)  # noqa: TRY301  the same road as PostgreSQL's own
        except BaseException as error:  # noqa: BLE001  whatever it is, it is its caller's
            if not self._refuse(group, error):
                return shared
            aside.append(piece)
            return False
        return True

    def _refuse(self, group: list[Piece], error: BaseException) -> bool:
        """Undo the group's last piece, settle it or not; return whether it met another's change."""
        session, piece = self._session, group[-1]
        fault = session.fault or error
        if session.status in (TransactionStatus.UNKNOWN, TransactionStatus.ACTIVE) or is_lost(fault):
            raise _Lost from None
        if session.status == TransactionStatus.IDLE:
            raise _ended() from None
        # Callbacks first: once the rows that it changed are let go of, others may give them the same numbers.
        conflict = is_conflict(fault)
        if conflict:
            piece.undo(fault)
        else:
            piece.fail(translated(error))
        if conflict and len(group) == 1:
            session.leave()
            return True
        try:
            session.undo()
        except psycopg.Error:
            raise _Lost from None
        return conflict


def _ended() -> psycopg.Error:
    message = "the work has ended its transaction itself"
    return psycopg.InternalError(message)


def _undo(group: list[Piece], reason: BaseException) -> list[Piece]:
    """Run the callbacks of pieces that come to nothing, newest first, and return those that have no fault."""
    pieces = [piece for piece in group if piece.fault is None]
    for piece in reversed(pieces):
        piece.undo(reason)
    return pieces


def _give_back(group: list[Piece], aside: list[Piece], lane: Lane) -> None:
    again = []
    for piece in aside:
        piece.attempts += 1
        now = time.monotonic()
        piece.since = piece.since or now
        if piece.attempts >= ATTEMPTS and now - piece.since > PATIENCE_SECONDS:
            piece.fail(contended())
        else:
            group.remove(piece)
            again.append(piece)
    lane.again(again)


def _fail(group: list[Piece], fault: VaultError) -> None:
    for piece in reversed(group):
        if piece.fault is None:
            piece.fail(type(fault)(fault.message, reason=fault.reason, retry_seconds=fault.retry_seconds))
