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
from psycopg import Connection
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus

from vault.stores.postgres.address import Address
from vault.stores.postgres.deadline import Line
from vault.stores.postgres.fault import is_lost
from vault.stores.postgres.statements import Answer, Said, Statements

LOCK_SECONDS = 0.25
BACK_OFF_SECONDS = (0.02, 0.5)
"""The first and the longest pause between attempts to connect."""

READ_ONLY = "REPEATABLE READ READ ONLY"
REPEATABLE_READ = "REPEATABLE READ"
SERIALIZABLE = "SERIALIZABLE"

WRITER = "cardvault-writer"
"""The application_name of sessions that may write, by which ``activity`` finds them."""

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
        self._statements: Statements | None = None
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
        return TransactionStatus(self._connection.pgconn.transaction_status)

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

    def run(self, query: str, values: Sequence[Any] = ()) -> Answer:
        """Run a prepared statement."""
        statements = self._open()
        self._line.start()
        try:
            return statements.run(query, values)
        except psycopg.Error as error:
            self.fault = error
            raise
        finally:
            self._line.stop()

    def command(self, text: str) -> Said:
        """Run statements without values, unprepared, and return what PostgreSQL says of the last."""
        statements = self._open()
        self._line.start()
        try:
            return statements.command(text)
        except psycopg.Error as error:
            self.fault = error
            raise
        finally:
            self._line.stop()

    def copy(self, query: str, types: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Write rows by a binary COPY."""
        connection = self._connection
        if connection is None:
            raise _no_transaction()
        self._line.start()
        try:
            with connection.cursor() as cursor, cursor.copy(query.encode()) as copying:
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
        if self.command("COMMIT").tag != "COMMIT":
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

    def done(self) -> None:
        """End a transaction that has only read, without waiting for its end."""
        try:
            if self.status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                self._open().send("COMMIT")
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
        connection, self._connection, self._statements = self._connection, None, None
        self._left = False
        self._line.forget()
        if connection is not None:
            connection.close()

    def _open(self) -> Statements:
        if self._statements is None:
            raise _no_transaction()
        return self._statements

    def _start(self) -> None:
        left, self._left = self._left, False
        self.fault = None
        self._saved = False
        number = self.command(f"ROLLBACK;{self._begin}" if left else self._begin).value
        self.catalogue = None if number is None else int(number)

    def _connect(self) -> None:
        time.sleep(max(0.0, min(BACK_OFF_SECONDS[1], self._not_before - time.monotonic())))
        words = self._address.words()
        pooled = self._address.statements == 0
        try:
            connection = psycopg.connect(
                **words,  # type: ignore[arg-type]
                autocommit=True,
                prepare_threshold=None,
            )
        except psycopg.Error:
            self._pause = min(max(BACK_OFF_SECONDS[0], 2 * self._pause), BACK_OFF_SECONDS[1])
            self._not_before = time.monotonic() + self._pause
            raise
        self._pause = 0.0
        self._connection = connection
        connection.add_notice_handler(self._notice)
        self._statements = Statements(connection, self._address.statements)
        self._line.watch(connection.fileno())
        try:
            self._set_up(pooled=pooled)
        except psycopg.Error:
            self.drop()
            raise

    def _set_up(self, *, pooled: bool) -> None:
        settings = dict(_SETTINGS)
        settings["idle_in_transaction_session_timeout"] = f"{round(self._line.seconds * 2000)}ms"
        if self.command("SHOW synchronous_commit").value in (b"off", b"local"):
            settings["synchronous_commit"] = "on"
        if self._mode != READ_ONLY:
            settings["application_name"] = WRITER
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


def _no_transaction() -> psycopg.InterfaceError:
    message = "there is no transaction"
    return psycopg.InterfaceError(message)
