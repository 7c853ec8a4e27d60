"""One connection: opened when it is needed, dropped when it fails, used by one thread alone.

1. A transaction reads one snapshot (REPEATABLE READ, or SERIALIZABLE where asked for).
2. ``commit`` returns only after PostgreSQL has said that the commit is durable, and without a warning: the
   warning means that the wait for a standby was cut short, so the outcome is unknown.
3. Each statement has a deadline; past it the connection is shut.
4. A row lock is waited for LOCK_SECONDS at most. Under a snapshot whoever waits for a writer is refused in
   the end anyway, and two transactions that wait for each other are apart sooner than by deadlock_timeout (1
   s).
5. The server notices within a second that a connection was dropped, and lets go of what it had locked.
6. Plans go by indexes, so one made while a table was small or never analysed does no harm later.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import Connection, Cursor
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from vault.stores.postgres.address import Address
from vault.stores.postgres.binary import register
from vault.stores.postgres.deadline import Line
from vault.stores.postgres.fault import is_lost

LOCK_SECONDS = 0.25
BACK_OFF_SECONDS = (0.02, 0.5)
"""The first and the longest pause between attempts to connect."""

READ_ONLY = "REPEATABLE READ READ ONLY"
REPEATABLE_READ = "REPEATABLE READ"
SERIALIZABLE = "SERIALIZABLE"

_SETTINGS = {
    "lock_timeout": f"{round(LOCK_SECONDS * 1000)}ms",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "client_connection_check_interval": "1s",
}
_CATALOGUE = "SELECT number FROM catalogue WHERE id = 1"


class Session:
    """A connection that is used by one thread; ``fault`` is the last error that a statement met."""

    def __init__(self, address: Address, line: Line, mode: str) -> None:
        """Connect when it is first needed.

        Args:
            address: Where to.
            line: Keeps the deadline.
            mode: What follows ISOLATION LEVEL.
        """
        self.fault: psycopg.Error | None = None
        self.catalogue: int | None = None
        self._address = address
        self._line = line
        self._mode = mode
        self._begin = ""
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._cursor: Cursor[tuple[Any, ...]] | None = None
        self._warned = False
        self._saved = False
        self._left = False
        self._not_before = 0.0
        self._pause = 0.0

    @property
    def status(self) -> TransactionStatus:
        """Where the transaction stands; UNKNOWN without a connection."""
        if self._connection is None:
            return TransactionStatus.UNKNOWN
        return self._connection.info.transaction_status

    @property
    def late(self) -> bool:
        """Whether the connection was shut because a deadline had passed."""
        return self._line.late

    def begin(self) -> None:
        """Begin a transaction and take its snapshot, over a new connection if need be.

        Raises:
            psycopg.Error: No connection can be had.
            FailedPrecondition: The password's file cannot be used.
        """
        if self._connection is not None:
            try:
                self._start()
            except psycopg.Error as error:
                if not (is_lost(error) or self.status == TransactionStatus.UNKNOWN):
                    raise
                self.drop()  # it was lost while nobody used it, and nothing has begun
            else:
                return
        self._connect()
        try:
            self._start()
        except psycopg.Error:
            self.drop()
            raise

    def run(self, query: str, values: Sequence[Any] = ()) -> Cursor[tuple[Any, ...]]:
        """Run a prepared statement; its rows are to be fetched before the next one is run."""
        cursor = self._open_cursor()
        self._line.start()
        try:
            return cursor.execute(query.encode(), values, binary=True)
        except psycopg.Error as error:
            self.fault = error
            raise
        finally:
            self._line.stop()

    def command(self, text: str) -> str:
        """Run statements without values, unprepared, and return what PostgreSQL says it did last."""
        cursor = self._open_cursor()
        self._line.start()
        try:
            cursor.execute(text.encode(), prepare=False)
            while cursor.nextset():
                continue
        except psycopg.Error as error:
            self.fault = error
            raise
        finally:
            self._line.stop()
        return cursor.statusmessage or ""

    def copy(self, query: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows by a binary COPY."""
        cursor = self._open_cursor()
        self._line.start()
        try:
            with cursor.copy(query.encode()) as copying:
                copying.set_types(types)
                for row in rows:
                    copying.write_row(row)
        except psycopg.Error as error:
            self.fault = error
            raise
        finally:
            self._line.stop()

    def commit(self) -> None:
        """End the transaction; when this returns, what it wrote is durable.

        Raises:
            psycopg.Error: It is not, or that is unknown.
        """
        self._warned = False
        said = self.command("COMMIT")
        if said != "COMMIT":
            message = "the transaction was undone instead of committed"
            raise psycopg.InternalError(message)
        if self._warned:
            message = "the commit came with a warning"
            raise psycopg.OperationalError(message)

    def rollback(self) -> None:
        """End the transaction and leave nothing of it; the connection is dropped if it cannot be told."""
        if self._connection is None:
            return
        try:
            if self.status != TransactionStatus.IDLE:
                self.command("ROLLBACK")
        except psycopg.Error:
            self.drop()

    def save(self) -> None:
        """Begin a part of the transaction that can be undone alone; the part before it stands."""
        self.fault = None
        self.command("RELEASE SAVEPOINT piece; SAVEPOINT piece" if self._saved else "SAVEPOINT piece")
        self._saved = True

    def undo(self) -> None:
        """Undo what was done since ``save``, or end the transaction with nothing kept if there was none."""
        self.fault = None
        self.catalogue = None
        if self._saved:
            self.command("ROLLBACK TO SAVEPOINT piece")
        else:
            self.command("ROLLBACK")

    def leave(self) -> None:
        """Keep nothing of the transaction; it is ended in the round trip that begins the next one.

        Whoever met another's change is then no slower to begin again than the other is.
        """
        self._left = True

    def drop(self) -> None:
        """Let go of the connection. The next transaction opens another."""
        connection, self._connection, self._cursor = self._connection, None, None
        self._left = False
        self._line.forget()
        if connection is not None:
            connection.close()

    def _open_cursor(self) -> Cursor[tuple[Any, ...]]:
        if self._cursor is None:
            message = "there is no transaction"
            raise psycopg.InterfaceError(message)
        return self._cursor

    def _start(self) -> None:
        left, self._left = self._left, False
        self.fault = None
        self._saved = False
        self.command(f"ROLLBACK;{self._begin}" if left else self._begin)
        found = self._open_cursor().fetchone()
        self.catalogue = None if found is None else int(found[0])

    def _connect(self) -> None:
        time.sleep(max(0.0, min(BACK_OFF_SECONDS[1], self._not_before - time.monotonic())))
        words = self._address.words()
        pooled = self._address.statements == 0
        try:
            connection = psycopg.connect(
                **words,  # type: ignore[arg-type]
                autocommit=True,
                prepare_threshold=None if pooled else 0,
            )
        except psycopg.Error:
            self._pause = min(max(BACK_OFF_SECONDS[0], 2 * self._pause), BACK_OFF_SECONDS[1])
            self._not_before = time.monotonic() + self._pause
            raise
        self._pause = 0.0
        self._connection = connection
        connection.prepared_max = self._address.statements
        connection.add_notice_handler(self._notice)
        register(connection)
        self._cursor = connection.cursor()
        self._line.watch(connection.fileno())
        try:
            self._set_up(connection, pooled=pooled)
        except psycopg.Error:
            self.drop()
            raise

    def _set_up(self, connection: Connection[tuple[Any, ...]], *, pooled: bool) -> None:
        settings = dict(_SETTINGS)
        settings["idle_in_transaction_session_timeout"] = f"{round(self._line.seconds * 2000)}ms"
        found = connection.cursor().execute("SHOW synchronous_commit", prepare=False).fetchone()
        if found is not None and found[0] in ("off", "local"):
            settings["synchronous_commit"] = "on"
        scope = "SET LOCAL" if pooled else "SET"
        commands = "".join(f"{scope} {name} = '{value}';" for name, value in settings.items())
        begin = f"BEGIN ISOLATION LEVEL {self._mode};"
        if pooled:
            self._begin = f"{begin}{commands}{_CATALOGUE}"
        else:
            self.command(commands)
            self._begin = f"{begin}{_CATALOGUE}"

    def _notice(self, diagnostic: Diagnostic) -> None:
        if diagnostic.severity_nonlocalized != "NOTICE":
            self._warned = True
