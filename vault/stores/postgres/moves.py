"""Rows on their way from key to key, gone through in the order of their pages (ctid).

Neighbours then share a page. In the order of the digests each row was a page of its own: 20 to 50 µs a row among
50,000 and 100,000 rows, and 6 to 7 in this order (one sitting, shared buffers larger than the table).

A row that is updated moves to another page, and names the new version there; one that was passed over, since it
moved for another reason or another shard has a row at the same place, is found when what is left is counted.
"""

import struct
from collections.abc import Sequence
from functools import cache
from operator import itemgetter
from typing import Any

from vault.model.rows import CodeRow
from vault.model.shape import SHAPES, Shape
from vault.stores import sql
from vault.stores.moves import Older
from vault.stores.postgres.binary import array, column_kinds, type_name
from vault.stores.postgres.session import Session

# OFFSET has it asked of each row, by index: as a join a DELETE took 65 to 120 µs a row, and 4 so (2026-11-23).
_HAS_ONE = """EXISTS (SELECT 1 FROM code AS new WHERE new.card_id = code.card_id
    AND new.generation = code.generation AND new.program = code.program AND new.index_version = %b OFFSET 0)"""
_OLDER = "(program = %b AND index_version < %b) IS TRUE"
_LACKING = f"""SELECT * FROM (SELECT {", ".join(SHAPES["code"].columns)} FROM code
    WHERE {_OLDER} AND NOT {_HAS_ONE} OFFSET 0) AS found WHERE digest > %b ORDER BY digest LIMIT %b"""  # noqa: S608  our names
_CLEAR = f"DELETE FROM code WHERE ctid > %b::tid AND ctid <= %b::tid AND {_OLDER} AND {_HAS_ONE}"  # noqa: S608  our names
_PLACE = struct.Struct(">IH")
_LAST_PAGE = 0xFFFFFFFF
_ROWS_A_PAGE = 16
_LONGEST_SPAN = 4096
"""Pages that are read by one statement at most: 32 MiB."""


class PostgresMoves:
    """Rows on their way."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def left(self, older: Older) -> int:
        """Count the rows that name an older version."""
        text = f"SELECT count(*) FROM {older.shape.table} WHERE {_named(older)}"  # noqa: S608  our names
        found = self._session.run(text, _values(older)).fetchone()
        return 0 if found is None else int(found[0])

    def walk(self, older: Older, sealed: Sequence[str], position: bytes, limit: int) -> tuple[list[Any], bytes]:
        """Return up to ``limit`` of the rows from a position on, and the position after them, empty at the end."""
        shape = older.shape
        wanted = ", ".join(name if name in sealed or name not in shape.sealed else "NULL" for name in shape.columns)
        # Of a boolean's truth PostgreSQL has no index: one on the program would be gone through in its own order.
        condition = f"({_named(older)}) IS TRUE"
        found, position = self._next(f"{wanted} FROM {shape.table}", condition, _values(older), position, limit)
        return list(map(shape.row._make, found)), position

    def swap(self, shape: Shape, columns: Sequence[str], rows: Sequence[Any], values: Sequence[tuple[Any, ...]]) -> int:
        """Give rows new values in some columns, where they still have the old ones there; return how many had."""
        if not rows:
            return 0
        found_by = _taken(shape, (*shape.key, *columns))
        kinds = _kinds(shape)
        names = (*shape.key, *columns, *columns)
        given = sorted(found_by(row) + new for row, new in zip(rows, values, strict=True))
        if set(shape.key) <= set(columns):
            new_key = itemgetter(*(names.index(name, -len(columns)) for name in shape.key))
            given = list({new_key(each): each for each in given}.values())
        arrays = [array(kinds[name], column) for name, column in zip(names, zip(*given, strict=True), strict=True)]
        return int(self._session.run(_swapping(shape.table, tuple(columns)), arrays).rowcount)

    def lacking(self, program: str, version: int, after: bytes, limit: int) -> list[CodeRow]:
        """Return the first older code rows whose code has no row under this version, in the order of their digests."""
        found = self._session.run(_LACKING, [program, version, version, after, limit]).fetchall()
        return list(map(CodeRow._make, found))

    def clear(self, program: str, version: int, position: bytes, limit: int) -> tuple[int, bytes]:
        """Delete those of the next older code rows whose code has a row under this version."""
        places, after = self._places("NULL FROM code", _OLDER, [program, version], position, limit)
        if not places:
            return 0, after
        # The transaction reads one snapshot, so between the same places stand the same rows.
        between = [_place(*_begin(position)), places[-1][-1]]
        return self._session.run(_CLEAR, [*between, program, version, version]).rowcount, after

    def _next(
        self, wanted: str, condition: str, values: Sequence[Any], position: bytes, limit: int
    ) -> tuple[list[tuple[Any, ...]], bytes]:
        """Return up to ``limit`` rows in the order of their pages, and the position after them, empty at the end.

        ``wanted`` are columns and their table, the condition's parameters are ``values``.
        """
        found, after = self._places(wanted, condition, values, position, limit)
        return [row[:-1] for row in found], after

    def _places(
        self, wanted: str, condition: str, values: Sequence[Any], position: bytes, limit: int
    ) -> tuple[list[tuple[Any, ...]], bytes]:
        """As ``_next``, with each row's place as its last column."""
        columns, table = wanted.split(" FROM ")
        text = (
            f"SELECT {columns}, ctid::text AS place FROM {table} AS old"  # noqa: S608  our names
            f" WHERE ctid > %b::tid AND ctid < %b::tid AND {condition} ORDER BY old.ctid LIMIT %b"
        )
        more = f"SELECT 1 FROM {table} WHERE ctid > %b::tid LIMIT 1"  # noqa: S608  our names
        page, item = _begin(position)
        found: list[tuple[Any, ...]] = []
        span = limit // _ROWS_A_PAGE + 1
        while True:
            end = min(page + span, _LAST_PAGE)
            bounds = (_place(page, item), _place(end, 0))
            found += self._session.run(text, (*bounds, *values, limit - len(found))).fetchall()
            if len(found) == limit:
                page, item = map(int, found[-1][-1].strip("()").split(","))
                break
            if self._session.run(more, bounds[1:]).fetchone() is None:
                break
            page, item, span = end, 0, min(2 * span, _LONGEST_SPAN)
        return found, _PLACE.pack(page, item) if len(found) == limit else b""


def _begin(position: bytes) -> tuple[int, int]:
    """Return the page and the item on it after which a position goes on."""
    page, item = _PLACE.unpack(position) if len(position) == _PLACE.size else (0, 0)
    return page, item


def _place(page: int, item: int) -> str:
    return f"({page},{item})"


def _named(older: Older) -> str:
    names = " OR ".join(sql.older(older.shape, name, "%b") for name in older.columns)
    return f"({names})" if older.program is None else f"({names}) AND program = %b"


def _values(older: Older) -> list[Any]:
    bounds: list[Any] = [sql.bound(older.shape, name, older.below) for name in older.columns]
    return bounds if older.program is None else [*bounds, older.program]


@cache
def _swapping(table: str, columns: tuple[str, ...]) -> str:
    """Return an UPDATE from arrays of the rows' keys, the old values of some columns, and the new ones."""
    shape = SHAPES[table]
    kinds = _kinds(shape)
    arrays = ", ".join(f"%b::{type_name(kinds[name])}[]" for name in (*shape.key, *columns, *columns))
    given = ", ".join((*shape.key, *(f"{name}_before" for name in columns), *(f"{name}_after" for name in columns)))
    same = [*(f"old.{name} = new.{name}" for name in shape.key), *(f"old.{n} = new.{n}_before" for n in columns)]
    if set(shape.key) <= set(columns):
        taken = " AND ".join(f"there.{name} = new.{name}_after" for name in shape.key)
        same.append(f"NOT EXISTS (SELECT 1 FROM {table} AS there WHERE {taken} OFFSET 0)")  # noqa: S608  our names
    return (
        f"UPDATE {table} AS old SET {', '.join(f'{name} = new.{name}_after' for name in columns)}"  # noqa: S608  ours
        f" FROM unnest({arrays}) AS new ({given}) WHERE {' AND '.join(same)}"
    )


def _kinds(shape: Shape) -> dict[str, type]:
    return dict(zip(shape.columns, column_kinds(shape.row), strict=True))


def _taken(shape: Shape, names: tuple[str, ...]) -> Any:
    places = [shape.columns.index(name) for name in names]
    return itemgetter(*places) if len(places) > 1 else itemgetter(slice(places[0], places[0] + 1))
