"""Rows on their way from key to key, gone through in the order of their rowids.

That is the order in which the file has them: neighbours share a page, where the order of their digests would read,
and write, a page for each row. Rows that were walked are written by their rowids too (``Places``), at a third of the
time; a row that is not there any more is not changed, since what it was read as is compared all the same.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from vault.model.rows import CodeRow
from vault.model.shape import SHAPES, Shape
from vault.stores import sql
from vault.stores.moves import Older
from vault.stores.sqlite.table import portions

WALKS = 4
"""Walks whose places are remembered: one of each lane of jobs, some MiB at most."""

CLEARED_AT_ONCE = 256
"""Rows deleted by one statement: for each SQLite keeps the pages that it changes twice, until it is done."""

_SIZE = 8
# A unary plus keeps SQLite from using an index on the program, whose order would not be that of the rowids.
_NEXT = "rowid > ? AND +program = ? AND index_version < ?"
_HAS_ONE = """EXISTS (SELECT 1 FROM code AS new WHERE new.card_id = code.card_id
    AND new.generation = code.generation AND new.program = code.program AND new.index_version = ?)"""
_LAST = f"SELECT max(rowid), count(*) FROM (SELECT rowid FROM code WHERE {_NEXT} ORDER BY rowid LIMIT ?)"  # noqa: S608
_LACKING = f"""SELECT {", ".join(SHAPES["code"].columns)} FROM code WHERE +program = ? AND index_version < ?
    AND NOT {_HAS_ONE} AND +digest > ? ORDER BY +digest LIMIT ?"""  # noqa: S608  our names
_CLEAR = f"DELETE FROM code WHERE {_NEXT} AND rowid <= ? AND {_HAS_ONE}"  # noqa: S608  our names


class Places:
    """The rowids of rows that were walked last, by their keys: what one connection reads another one may write.

    They are only where to look: a place that is wrong, or forgotten, changes nothing but the time it takes.
    """

    def __init__(self) -> None:
        self._last: tuple[tuple[str, Mapping[Any, int]], ...] = ()

    def keep(self, shape: Shape, rows: Sequence[Any], rowids: Sequence[int]) -> None:
        """Remember where rows are; what was walked ``WALKS`` times ago is forgotten."""
        found = dict(zip(map(_key_of(shape), rows), rowids, strict=True))
        self._last = ((shape.table, found), *self._last[: WALKS - 1])

    def find(self, shape: Shape, rows: Sequence[Any]) -> list[int]:
        """Return the rowids of rows that were walked together; an empty list if one of them is not known."""
        keys = list(map(_key_of(shape), rows))
        for table, found in self._last:
            if table == shape.table and keys[0] in found:
                places = [found.get(key) for key in keys]
                return [place for place in places if place is not None] if None not in places else []
        return []


class SqliteMoves:
    """Rows on their way."""

    def __init__(self, connection: sqlite3.Connection, places: Places) -> None:
        """Use a connection; ``places`` are shared with the store's others."""
        self._connection = connection
        self._places = places

    def left(self, older: Older) -> int:
        """Count the rows that name an older version."""
        text = f"SELECT count(*) FROM {older.shape.table} WHERE {_named(older)}"  # noqa: S608  our names
        return int(self._connection.execute(text, _values(older)).fetchone()[0])

    def walk(self, older: Older, sealed: Sequence[str], position: bytes, limit: int) -> tuple[list[Any], bytes]:
        """Return up to ``limit`` of the rows from a position on, and the position after them, empty at the end."""
        shape = older.shape
        wanted = ", ".join(name if name in sealed or name not in shape.sealed else "NULL" for name in shape.columns)
        text = f"SELECT {wanted}, rowid FROM {shape.table} WHERE rowid > ? AND {_named(older)} ORDER BY rowid LIMIT ?"  # noqa: S608  our names
        found = self._connection.execute(text, [_rowid(position), *_values(older), limit]).fetchall()
        make = shape.row._make
        rows = [make(row[:-1]) for row in found]
        self._places.keep(shape, rows, [row[-1] for row in found])
        return rows, _position(found[-1][-1]) if len(found) == limit else b""

    def swap(self, shape: Shape, columns: Sequence[str], rows: Sequence[Any], values: Sequence[tuple[Any, ...]]) -> int:
        """Give rows new values in some columns, where they still have the old ones there; return how many had."""
        if not rows:
            return 0
        found_by = _taken(shape, (*shape.key, *columns))
        given = [new + found_by(row) for row, new in zip(rows, values, strict=True)]
        places = self._places.find(shape, rows)
        if places:
            given = [(*value, place) for value, place in zip(given, places, strict=True)]
        swapped = 0
        for some in portions(given):
            text = _swapping(shape.table, tuple(columns), len(some), by_place=bool(places))
            swapped += self._connection.execute(text, list(chain.from_iterable(some))).rowcount
        return swapped

    def lacking(self, program: str, version: int, after: bytes, limit: int) -> list[CodeRow]:
        """Return the first older code rows whose code has no row under this version, in the order of their digests."""
        found = self._connection.execute(_LACKING, [program, version, version, after, limit])
        return list(map(CodeRow._make, found))

    def clear(self, program: str, version: int, position: bytes, limit: int) -> tuple[int, bytes]:
        """Delete those of the next older code rows whose code has a row under this version."""
        cleared = 0
        for seen in range(0, limit, CLEARED_AT_ONCE):
            most = min(CLEARED_AT_ONCE, limit - seen)
            begun = [_rowid(position), program, version]
            last, count = self._connection.execute(_LAST, [*begun, most]).fetchone()
            if last is None:
                return cleared, b""
            cleared += self._connection.execute(_CLEAR, [*begun, last, version]).rowcount
            position = _position(last) if count == most else b""
            if not position:
                break
        return cleared, position


def _named(older: Older) -> str:
    names = " OR ".join(sql.older(older.shape, name, "?") for name in older.columns)
    return f"({names})" if older.program is None else f"({names}) AND +program = ?"


def _values(older: Older) -> list[Any]:
    bounds: list[Any] = [sql.bound(older.shape, name, older.below) for name in older.columns]
    return bounds if older.program is None else [*bounds, older.program]


@cache
def _swapping(table: str, columns: tuple[str, ...], rows: int, *, by_place: bool) -> str:
    """Return an UPDATE of some rows; its parameters are, row by row, new values, key, old values, and the rowid if so.

    SQLite names the columns of VALUES column1, column2 and so on.
    """
    found_by = (*SHAPES[table].key, *columns, *(("rowid",) if by_place else ()))
    news = ", ".join(f"{name} = given.column{place}" for place, name in enumerate(columns, 1))
    same = " AND ".join(
        f"{table}.{name} = given.column{place}" for place, name in enumerate(found_by, len(columns) + 1)
    )
    marks = ", ".join([f"({', '.join('?' * (len(columns) + len(found_by)))})"] * rows)
    leaving = "OR IGNORE " if set(SHAPES[table].key) <= set(columns) else ""
    return f"UPDATE {leaving}{table} SET {news} FROM (VALUES {marks}) AS given WHERE {same}"  # noqa: S608  our names


def _key_of(shape: Shape) -> Callable[[Any], Any]:
    """Return the function that takes a row's key out of it, a tuple where it has several columns."""
    return itemgetter(*(shape.columns.index(name) for name in shape.key))


def _taken(shape: Shape, names: tuple[str, ...]) -> Any:
    places = [shape.columns.index(name) for name in names]
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))


def _rowid(position: bytes) -> int:
    return int.from_bytes(position, "big", signed=True) if len(position) == _SIZE else -(1 << 63)


def _position(rowid: int) -> bytes:
    return rowid.to_bytes(_SIZE, "big", signed=True)
