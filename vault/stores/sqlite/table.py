"""One table behind one connection: the statements that every kind of record needs.

Rows come back as the shape's named tuples; columns of an ``IntEnum`` come back as plain ints, which compare
equal to its members. Making members again would cost a microsecond each on look-ups that need none.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Generic, TypeVar

from vault.errors import AlreadyExists, NotFound
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.sqlite.fault import is_taken

RowT = TypeVar("RowT", bound=tuple[Any, ...])

KEYS_AT_ONCE = 1024
"""Keys in one IN list. Lists are padded to a power of two, so that eleven statements serve every size."""


ROWS_AT_ONCE = 64
"""Rows written by one statement at most.

Each step of a statement gives Python's lock away and takes it back, which costs most when another thread of the
process has work to do; one statement for many rows does so once.
"""


def mark(place: int, name: str) -> str:  # noqa: ARG001  other dialects mark by name
    """Write SQLite's parameter for a column."""
    return f"?{place}"


class Table(Generic[RowT]):
    """Reads and writes rows of one kind."""

    def __init__(self, connection: sqlite3.Connection, row: type[RowT]) -> None:
        """Use the table whose shape has this row."""
        shape = next(shape for shape in SHAPES.values() if shape.row is row)
        self.name = shape.table
        self.execute = connection.execute
        self._executemany = connection.executemany
        self._make = shape.row._make
        self._shape = shape
        self._insert = sql.Insert(shape)
        self._claim = sql.Insert(shape, sql.leaving(shape))
        self._put = sql.Insert(shape, sql.replacing(shape))
        self._update = sql.update(shape, mark)
        self._select = sql.select(shape)

    def rows(self, tail: str, values: Sequence[Any] = ()) -> list[RowT]:
        """Return the rows that a SELECT with this tail finds."""
        return list(map(self._make, self.execute(f"{self._select} {tail}", values)))

    def row(self, tail: str, values: Sequence[Any] = ()) -> RowT | None:
        """Return the first row that a SELECT with this tail finds; None if there is none."""
        found = self.execute(f"{self._select} {tail}", values).fetchone()
        return None if found is None else self._make(found)

    def rows_in(self, tail: str, first: Sequence[Any], keys: Collection[Any]) -> list[RowT]:
        """Return the rows that a SELECT finds whose tail ends in ``IN`` and gets these keys, in no order.

        Args:
            tail: Up to and with ``IN``.
            first: Values of the parameters before the keys.
            keys: Any number.
        """
        found: list[RowT] = []
        for values in padded(keys):
            found += self.rows(f"{tail} ({', '.join('?' * len(values))})", [*first, *values])
        return found

    def insert(self, rows: Sequence[RowT]) -> None:
        """Write new rows.

        Raises:
            AlreadyExists: The key of one is taken; rows before it may have been written.
        """
        try:
            self._write(self._insert, rows)
        except sqlite3.IntegrityError as error:
            if not is_taken(error):
                raise
            message = f"{self.name} exists already"
            raise AlreadyExists(message) from error

    def claim(self, rows: Sequence[RowT]) -> int:
        """Write the rows whose key is free, and return how many they are."""
        return self._write(self._claim, rows)

    def put(self, rows: Sequence[RowT]) -> None:
        """Insert or replace rows."""
        self._write(self._put, rows)

    def delete(self, key: Sequence[Any]) -> None:
        """Delete the row with a key; raise ``NotFound`` if there is none."""
        if self.execute(sql.delete(self._shape, mark), key).rowcount == 0:
            raise self._missing()

    def newest(self, program: str, before: tuple[int, bytes] | None, limit: int) -> list[RowT]:
        """Return up to ``limit`` rows of a program after ``before``, a (created_ms, id), newest first."""
        text = sql.newest(self._shape, mark, first=before is None)
        return list(map(self._make, self.execute(text, (program, *(before or ()), limit))))

    def update(self, rows: Sequence[RowT]) -> None:
        """Replace the rows with the same keys.

        Raises:
            NotFound: One is not there; others may have been replaced.
        """
        if len(rows) == 1:
            count = self.execute(self._update, rows[0]).rowcount
        else:
            count = self._executemany(self._update, rows).rowcount if rows else 0
        if count != len(rows):
            raise self._missing()

    def _missing(self) -> NotFound:
        return NotFound(f"{self.name} does not exist")

    def _write(self, statement: sql.Insert, rows: Sequence[RowT]) -> int:
        """Insert rows, many with each statement, and return how many were written."""
        written = 0
        for some in portions(rows):
            written += self.execute(statement.text(len(some)), list(chain.from_iterable(some))).rowcount
        return written

    def last_rowid(self) -> int:
        """Return the highest rowid; 0 for an empty table. Rows written later have higher ones."""
        return int(self.execute(f"SELECT coalesce(max(rowid), 0) FROM {self.name}").fetchone()[0])  # noqa: S608


def portions(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield rows in portions of a power of two, at most ``ROWS_AT_ONCE``: seven statements serve every number."""
    start = 0
    while start < len(rows):
        size = min(ROWS_AT_ONCE, 1 << ((len(rows) - start).bit_length() - 1))
        yield rows[start : start + size]
        start += size


def padded(keys: Collection[Any]) -> Iterator[list[Any]]:
    """Yield the keys in sorted lists of a power of two, at most ``KEYS_AT_ONCE``; the last key fills up."""
    ordered = iter(sorted(keys))
    while values := list(islice(ordered, KEYS_AT_ONCE)):
        size = 1 << (len(values) - 1).bit_length()
        yield values + values[-1:] * (size - len(values))
