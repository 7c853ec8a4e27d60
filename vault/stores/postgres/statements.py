"""Statements on one connection, by libpq's own calls.

1. A statement is prepared when it is first run and stays so, whatever is rolled back later; past ``most`` of them
   the one prepared first is given up.
2. A call waits inside libpq, without Python's lock, and asks for that lock once in each round trip.
3. Parameters and rows travel in binary.

Shutting the connection's socket wakes a thread that waits, as ``deadline`` does.

Why not psycopg's cursor, which opens the connection and decodes the rows here too: at every ROLLBACK it forgets
what it has prepared and has the server forget it, so a look-up that ended its transaction so prepared its two
statements anew each time; and it takes 20 to 47 µs of Python for each statement where libpq takes 14 to 17
(2026-11-23, one connection, otherwise idle).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from psycopg import Connection, OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from vault.stores.postgres.binary import parameter

_BINARY = 1
_DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)

Row = tuple[Any, ...]


class Answer(NamedTuple):
    """What a statement came to: the rows that it found, and how many it found or changed."""

    rows: list[Row]
    rowcount: int

    def fetchall(self) -> list[Row]:
        """Return every row."""
        return self.rows

    def fetchone(self) -> Row | None:
        """Return the first row; None if there is none."""
        return self.rows[0] if self.rows else None


class Said(NamedTuple):
    """What commands came to: the last one's tag, such as COMMIT, and the first value that it found, as text."""

    tag: str
    value: bytes | None


class Statements:
    """Runs statements on a connection, for one thread."""

    def __init__(self, connection: Connection[Any], most: int) -> None:
        """Keep up to ``most`` statements prepared; 0 prepares none."""
        self._wire = connection.pgconn
        self._loading = Transformer.from_context(connection)
        self._most = most
        self._names: dict[str, bytes] = {}
        self._count = 0

    def run(self, query: str, values: Sequence[Any]) -> Answer:
        """Run a statement whose parameters are written ``%b``.

        Raises:
            psycopg.Error: It failed, or the connection is lost.
        """
        kinds, parameters = zip(*map(parameter, values), strict=True) if values else ((), ())
        formats = [_BINARY] * len(parameters)
        if self._most == 0:
            result = self._wire.exec_params(_text(query), parameters, kinds, formats, _BINARY)
        else:
            name = self._names.get(query) or self._prepare(query, kinds)
            result = self._wire.exec_prepared(name, parameters, formats, _BINARY)
        _check(result)
        count = result.ntuples
        if count == 0:
            return Answer([], result.command_tuples or 0)
        self._loading.set_pgresult(result)
        return Answer(self._loading.load_rows(0, count, tuple), count)

    def command(self, text: str) -> Said:
        """Run commands without parameters, unprepared, in one round trip.

        Raises:
            psycopg.Error: One failed, or the connection is lost.
        """
        result = self._wire.exec_(text.encode())
        _check(result)
        value = result.get_value(0, 0) if result.ntuples else None
        return Said((result.command_status or b"").decode(), value)

    def send(self, text: str) -> None:
        """Have a command run; the next call waits for its end and passes its outcome over, as libpq does.

        Raises:
            psycopg.Error: The connection is lost.
        """
        self._wire.send_query(text.encode())

    def _prepare(self, query: str, kinds: Sequence[int]) -> bytes:
        if len(self._names) >= self._most:
            first = next(iter(self._names))
            _check(self._wire.exec_(b"DEALLOCATE " + self._names.pop(first)))
        self._count += 1
        name = b"statement_%d" % self._count
        _check(self._wire.prepare(name, _text(query), kinds))
        self._names[query] = name
        return name


def _text(query: str) -> bytes:
    """Write the parameters as PostgreSQL does: by number."""
    first, *others = query.split("%b")
    return (first + "".join(f"${place}{part}" for place, part in enumerate(others, 1))).encode()


def _check(result: PGresult) -> None:
    if result.status in _DONE:
        return
    if result.error_field(DiagnosticField.SQLSTATE) is None:
        message = "the connection is lost"
        raise OperationalError(message)
    raise error_from_result(result)
