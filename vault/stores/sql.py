"""SQL text made from the shapes of the tables, for every store that speaks SQL.

1. Every statement lists its columns, in the order of the row's fields; so a column that a newer release has
   added does not disturb an older one.
2. Only names from ``vault.model.shape`` and literals of this package enter a statement's text; values are
   always parameters.

A ``Mark`` writes a parameter the way a driver wants it, from the column's position (from 1) and name: SQLite
takes ``?3``, psycopg ``%(state)s``. With such marks a row can be handed over as it is, whatever the statement's
order.
"""

from collections.abc import Callable
from typing import get_type_hints

from vault.model.shape import Shape

Mark = Callable[[int, str], str]


def columns(shape: Shape) -> str:
    """Return the table's columns, comma-separated, in the order of the row."""
    return ", ".join(shape.columns)


def select(shape: Shape, tail: str = "") -> str:
    """Return a SELECT of whole rows; ``tail`` is what follows the table's name, with its own parameters."""
    return f"SELECT {columns(shape)} FROM {shape.table} {tail}".rstrip()  # noqa: S608  names, no values


def insert(shape: Shape, mark: Mark) -> str:
    """Return an INSERT of one whole row."""
    marks = ", ".join(mark(place, name) for place, name in enumerate(shape.columns, 1))
    return f"INSERT INTO {shape.table} ({columns(shape)}) VALUES ({marks})"  # noqa: S608  names, no values


def leaving(shape: Shape) -> str:
    """Return the end of an INSERT that leaves a row alone whose key is taken."""
    return f" ON CONFLICT ({', '.join(shape.key)}) DO NOTHING"


def replacing(shape: Shape) -> str:
    """Return the end of an INSERT that replaces a row whose key is taken."""
    news = ", ".join(f"{name} = excluded.{name}" for name in shape.columns if name not in shape.key)
    return f" ON CONFLICT ({', '.join(shape.key)}) DO UPDATE SET {news}"


class Insert:
    """The text of an INSERT of any number of whole rows, whose parameters are plain question marks."""

    def __init__(self, shape: Shape, end: str = "") -> None:
        """Insert into a shape's table; ``end`` is ``leaving`` or ``replacing``, or nothing: a taken key is an error."""
        self._start = f"INSERT INTO {shape.table} ({columns(shape)}) VALUES "  # noqa: S608  names, no values
        self._row = f"({', '.join('?' * len(shape.columns))})"
        self._end = end
        self._texts: dict[int, str] = {}

    def text(self, rows: int) -> str:
        """Return the statement for a number of rows, 1 or more."""
        text = self._texts.get(rows)
        if text is None:
            text = self._texts[rows] = self._start + ", ".join([self._row] * rows) + self._end
        return text


def update(shape: Shape, mark: Mark) -> str:
    """Return an UPDATE of every column of the row with the same key."""
    marked = {name: f"{name} = {mark(place, name)}" for place, name in enumerate(shape.columns, 1)}
    news = ", ".join(text for name, text in marked.items() if name not in shape.key)
    keys = " AND ".join(marked[name] for name in shape.key)
    return f"UPDATE {shape.table} SET {news} WHERE {keys}"  # noqa: S608  names, no values


def delete(shape: Shape, mark: Mark) -> str:
    """Return a DELETE of the row with a key."""
    keys = " AND ".join(f"{name} = {mark(place, name)}" for place, name in enumerate(shape.key, 1))
    return f"DELETE FROM {shape.table} WHERE {keys}"  # noqa: S608  names, no values


def newest(shape: Shape, mark: Mark, *, first: bool) -> str:
    """Return a SELECT of a program's rows, the newest first, from the newest, or from after a place.

    Its parameters are the program, the place (created_ms and the key's one column) where it is not the first page,
    and the number of rows.
    """
    place = f"created_ms, {', '.join(shape.key)}"
    marks = [mark(number, name) for number, name in enumerate(("program", "created_ms", *shape.key, "rows"), 1)]
    after = "" if first else f" AND ({place}) < ({', '.join(marks[1:-1])})"
    order = ", ".join(f"{name} DESC" for name in place.split(", "))
    limit = mark(2, "rows") if first else marks[-1]
    return select(shape, f"WHERE program = {marks[0]}{after} ORDER BY {order} LIMIT {limit}")


def naming(shape: Shape, mark: Mark, column: str, *, in_program: bool, start: int = 2) -> str:
    """Return a SELECT of the number of rows, of a program or all, whose column names a key version.

    Its parameters are the version, an integer or the four bytes that begin at byte ``start`` (from 1), and the program.
    """
    found = column if _is_int(shape, column) else f"substr({column}, {start}, 4)"
    tail = f" AND program = {mark(2, 'program')}" if in_program else ""
    return f"SELECT count(*) FROM {shape.table} WHERE {found} = {mark(1, column)}{tail}"  # noqa: S608  names


def named(shape: Shape, column: str, version: int) -> int | bytes:
    """Return the parameter of ``naming`` for a version."""
    return version if _is_int(shape, column) else version.to_bytes(4)


def older(shape: Shape, column: str, mark: str) -> str:
    """Return the condition that a column names a key version below a bound, whose parameter is ``bound``."""
    return f"{column} < {mark}" if _is_int(shape, column) else f"substr({column}, 2, 4) < {mark}"


def bound(shape: Shape, column: str, below: int) -> int | bytes:
    """Return the parameter of ``older`` for a bound, 1 to 2^32."""
    return below if _is_int(shape, column) else below.to_bytes(5)[1:] if below < 1 << 32 else b"\xff" * 5


def _is_int(shape: Shape, column: str) -> bool:
    return get_type_hints(shape.row)[column] in (int, int | None)


def page(shape: Shape, mark: Mark, *, first: bool) -> str:
    """Return a SELECT of whole rows in the order of the key, from the first, or from after a key.

    Its parameters are the key's columns, in order, where it is not the first page, then the number of rows.
    """
    keys = ", ".join(shape.key)
    marks = [mark(place, name) for place, name in enumerate((*shape.key, "rows"), 1)]
    after = "" if first else f"WHERE ({keys}) > ({', '.join(marks[:-1])}) "
    return select(shape, f"{after}ORDER BY {keys} LIMIT {mark(1, 'rows') if first else marks[-1]}")


def count(shape: Shape) -> str:
    """Return a SELECT of the number of rows."""
    return f"SELECT count(*) FROM {shape.table}"  # noqa: S608  names, no values


def empty(shape: Shape) -> str:
    """Return a DELETE of every row."""
    return f"DELETE FROM {shape.table}"  # noqa: S608  names, no values
