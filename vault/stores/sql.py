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


def claim(shape: Shape, mark: Mark) -> str:
    """Return an INSERT that leaves a row alone whose key is taken."""
    return f"{insert(shape, mark)} ON CONFLICT ({', '.join(shape.key)}) DO NOTHING"


class Insert:
    """The text of an INSERT of any number of whole rows, whose parameters are plain question marks."""

    def __init__(self, shape: Shape, *, free_keys_only: bool = False) -> None:
        """Insert into a shape's table; ``free_keys_only`` leaves rows alone whose key is taken."""
        self._start = f"INSERT INTO {shape.table} ({columns(shape)}) VALUES "  # noqa: S608  names, no values
        self._row = f"({', '.join('?' * len(shape.columns))})"
        self._end = f" ON CONFLICT ({', '.join(shape.key)}) DO NOTHING" if free_keys_only else ""
        self._texts: dict[int, str] = {}

    def text(self, rows: int) -> str:
        """Return the statement for a number of rows, 1 or more."""
        text = self._texts.get(rows)
        if text is None:
            text = self._texts[rows] = self._start + ", ".join([self._row] * rows) + self._end
        return text


def put(shape: Shape, mark: Mark) -> str:
    """Return an INSERT that replaces the row whose key is taken."""
    news = ", ".join(f"{name} = excluded.{name}" for name in shape.columns if name not in shape.key)
    return f"{insert(shape, mark)} ON CONFLICT ({', '.join(shape.key)}) DO UPDATE SET {news}"


def update(shape: Shape, mark: Mark) -> str:
    """Return an UPDATE of every column of the row with the same key."""
    marked = {name: f"{name} = {mark(place, name)}" for place, name in enumerate(shape.columns, 1)}
    news = ", ".join(text for name, text in marked.items() if name not in shape.key)
    keys = " AND ".join(marked[name] for name in shape.key)
    return f"UPDATE {shape.table} SET {news} WHERE {keys}"  # noqa: S608  names, no values


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
