"""Runs what only reads, beside the writer.

1. Pieces that waited together read one snapshot, taken after they were given; nothing written later changes it.
2. Readers lock nothing, so they neither wait for a writer nor make one wait.
3. Writing is refused by PostgreSQL itself (READ ONLY).
4. A piece whose connection is lost runs again on another, three times at most.
"""

import psycopg
from psycopg.pq import TransactionStatus

from vault.errors import VaultError
from vault.stores.lane import Lane, Piece
from vault.stores.postgres.fault import is_conflict, is_lost, translated, unreachable
from vault.stores.postgres.session import Session
from vault.stores.postgres.transaction import PostgresTransaction

GROUP_PIECES = 64
ATTEMPTS = 3


class Reader:
    """Serves pieces over one session; used by one lane's thread."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._transaction = PostgresTransaction(session, writes=False)

    def serve(self, group: list[Piece], lane: Lane) -> None:
        """Run the pieces that wait, on one snapshot."""
        while len(group) < GROUP_PIECES and (piece := lane.take()) is not None:
            group.append(piece)
        for piece in group:
            self._run_piece(piece)
        self._session.done()

    def finish(self) -> None:
        """Close the connection."""
        self._session.drop()

    def _run_piece(self, piece: Piece) -> None:
        session = self._session
        self._transaction.callbacks = piece.callbacks
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if session.status != TransactionStatus.INTRANS:
                    session.begin()
            except (psycopg.Error, VaultError) as error:
                piece.fail(error if isinstance(error, VaultError) else unreachable())
                return
            session.fault = None
            try:
                piece.result = piece.work(self._transaction)
            except BaseException as error:  # noqa: BLE001  whatever it is, it is its caller's
                fault = session.fault or error
                lost = session.status in (TransactionStatus.UNKNOWN, TransactionStatus.ACTIVE) or is_lost(fault)
                late = session.late
                if lost:
                    session.drop()
                else:
                    session.rollback()
                if late or attempt == ATTEMPTS or not (lost or is_conflict(fault)):
                    piece.fail(translated(error))
                    return
            else:
                return
