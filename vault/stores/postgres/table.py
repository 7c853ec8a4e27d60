"""One table behind one session: the statements that every kind of record needs.

1. A key that is taken raises nothing inside PostgreSQL (ON CONFLICT), so the transaction goes on, and no digest
   gets into the server's log, which quotes the keys that collide.
2. Rows that are written together are written in the order of their keys, so two transactions that write the
   same rows wait for each other in one direction only.

Rows come back as the shape's named tuples; columns of an ``IntEnum`` come back as plain ints, which compare
equal to its members.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any, Generic, TypeVar

from psycopg.errors import UniqueViolation

from vault.errors import AlreadyExists, NotFound
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.postgres.binary import array, column_kinds, type_name
from vault.stores.postgres.session import Session
from vault.stores.postgres.statements import Answer

RowT = TypeVar("RowT", bound=tuple[Any, ...])

COPY_ROWS = 200
"""From so many rows on a COPY is quicker than an INSERT of arrays."""


def mark(place: int, name: str) -> str:  # noqa: ARG001  other dialects mark by place
    """Write psycopg's parameter for a column: sent in binary, taken in the order of the text."""
    return "%b"


class Table(Generic[RowT]):
    """Reads and writes rows of one kind."""

    def __init__(self, session: Session, row: type[RowT]) -> None:
        """Use the table whose shape has this row."""
        shape = next(shape for shape in SHAPES.values() if shape.row is row)
        names, key = shape.columns, shape.key
        self.name = shape.table
        self.run = session.run
        self._session = session
        self._make = shape.row._make
        self._kinds = column_kinds(shape.row)
        self._types = [type_name(kind) for kind in self._kinds]
        self._select = sql.select(shape)
        self._shape = shape
        self._insert = sql.insert(shape, mark)
        self._leaving = sql.leaving(shape)
        self._replacing = sql.replacing(shape)
        self._copies = "digest" not in key  # a COPY that collides has the server log the key
        self._copy = f"COPY {shape.table} ({sql.columns(shape)}) FROM STDIN (FORMAT BINARY)"
        news = [name for name in names if name not in key]
        order = [names.index(name) for name in (*news, *key)]
        self._in_update_order = itemgetter(*order)
        self._key_of = itemgetter(*(names.index(name) for name in key))
        self._update = sql.update(shape, mark)
        arrays = ", ".join(f"%b::{kind}[]" for kind in self._types)
        self._insert_many = f"INSERT INTO {shape.table} ({sql.columns(shape)}) SELECT * FROM unnest({arrays})"  # noqa: S608
        self._update_many = (
            f"UPDATE {shape.table} AS old SET {', '.join(f'{name} = new.{name}' for name in news)}"  # noqa: S608
            f" FROM unnest({arrays}) AS new ({', '.join(names)})"
            f" WHERE {' AND '.join(f'old.{name} = new.{name}' for name in key)}"
        )

    def rows(self, tail: str, values: Sequence[Any] = ()) -> list[RowT]:
        """Return the rows that a SELECT with this tail finds."""
        return list(map(self._make, self.run(f"{self._select} {tail}", values).fetchall()))

    def row(self, tail: str, values: Sequence[Any] = ()) -> RowT | None:
        """Return the first row that a SELECT with this tail finds; None if there is none."""
        found = self.run(f"{self._select} {tail}", values).fetchone()
        return None if found is None else self._make(found)

    def returned(self, statement: str, values: Sequence[Any]) -> RowT | None:
        """Run a statement that changes at most one row and return it whole, as it is afterwards."""
        columns = self._select.removeprefix("SELECT ").partition(" FROM ")[0]
        found = self.run(f"{statement} RETURNING {columns}", values).fetchone()
        return None if found is None else self._make(found)

    def insert(self, rows: Sequence[RowT]) -> None:
        """Write new rows.

        Raises:
            AlreadyExists: The key of one is taken; others may have been written.
        """
        copies = self._copies and len(rows) >= COPY_ROWS
        # A COPY that collides does not tell an old row from one that another transaction has just written, which
        # is no reason to fail but to run again; the claim does.
        if not (copies and self._copied(rows)) and self.claim(rows) != len(rows):
            message = f"{self.name} exists already"
            raise AlreadyExists(message)

    def claim(self, rows: Sequence[RowT], returning: str = "") -> Any:
        """Write the rows whose key is free.

        Returns:
            How many they are; or, with a column to return, its values in them.
        """
        if not rows:
            return [] if returning else 0
        tail = f" RETURNING {returning}" if returning else ""
        done = self._write(rows, f"{self._leaving}{tail}")
        return [value for (value,) in done.fetchall()] if returning else done.rowcount

    def put(self, rows: Sequence[RowT]) -> None:
        """Insert or replace rows, whose keys differ."""
        if rows:
            self._write(rows, self._replacing)

    def delete(self, key: Sequence[Any]) -> None:
        """Delete the row with a key; raise ``NotFound`` if there is none."""
        if self.run(sql.delete(self._shape, mark), key).rowcount == 0:
            raise self._missing()

    def newest(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[RowT]:
        """Return up to ``limit`` rows of a program after ``before``, a (created_ms, id), newest first."""
        text = sql.newest(self._shape, mark, first=before is None)
        return list(map(self._make, self.run(text, (program, *(before or ()), limit)).fetchall()))

    def update(self, rows: Sequence[RowT]) -> None:
        """Replace the rows with the same keys.

        Raises:
            NotFound: One is not there; others may have been replaced.
        """
        if len(rows) == 1:
            count = self.run(self._update, self._in_update_order(rows[0])).rowcount
        else:
            count = self.run(self._update_many, self._columns(rows)).rowcount if rows else 0
        if count != len(rows):
            raise self._missing()

    def _write(self, rows: Sequence[RowT], end: str) -> Answer:
        if len(rows) == 1:
            return self.run(self._insert + end, rows[0])
        return self.run(self._insert_many + end, self._columns(rows))

    def _missing(self) -> NotFound:
        return NotFound(f"{self.name} does not exist")

    def _columns(self, rows: Sequence[RowT]) -> list[Any]:
        ordered = sorted(rows, key=self._key_of)
        columns = zip(*ordered, strict=True)
        return [array(kind, values) for kind, values in zip(self._kinds, columns, strict=True)]

    def _copied(self, rows: Sequence[RowT]) -> bool:
        self._session.command("SAVEPOINT copying")
        try:
            self._session.copy(self._copy, self._types, sorted(rows, key=self._key_of))
        except UniqueViolation:
            self._session.command("ROLLBACK TO SAVEPOINT copying; RELEASE SAVEPOINT copying")
            self._session.fault = None
            return False
        self._session.command("RELEASE SAVEPOINT copying")
        return True


def taken_of(table: Table[RowT], column: str, rows: Sequence[RowT], values: Sequence[Any]) -> set[Any]:
    """Write the rows whose value is free and stands there once, and return the values that were not.

    Args:
        table: Where to.
        column: The claimed value's column.
        rows: Any number, which differ in their key only by this column.
        values: The rows' values, in the same order.
    """
    wanted = set(values)
    if len(wanted) < len(rows):
        twice = {value for value, count in Counter(values).items() if count > 1}
        rows = [row for row, value in zip(rows, values, strict=True) if value not in twice]
    return wanted.difference(table.claim(rows, column))


def any_of(kind: type, values: Collection[Any]) -> Any:
    """Return the parameter for ``= any(%b)``."""
    return array(kind, sorted(set(values)))
