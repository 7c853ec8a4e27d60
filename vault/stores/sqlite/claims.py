"""Claiming unique values: codes' digests and serials.

1. A row is written only if its value was free before the call and stands in the call once.
2. Values that stand in the call twice are not written at all and count as taken, so that a caller draws both
   again; which of two would win is nobody's business.

Values collide once in millions, so the usual way is a single statement for all rows; only when fewer were
written than given is it found out which.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vault.stores.sqlite.table import RowT, Table, padded


def claim(table: Table[RowT], column: str, rows: Sequence[RowT], values: Sequence[Any], where: str = "") -> set[Any]:
    """Write the rows whose value is free, and return the values that were not.

    Args:
        table: Whose rows get rising rowids, by which new rows are told from old ones.
        column: The claimed value's column.
        rows: Any number; quickest when sorted by the value.
        values: The rows' values, in the same order.
        where: A condition that names the rows' part of the table where the value alone is not the key; its one
            parameter is the rows' first column.
    """
    if not rows:
        return set()
    last = table.last_rowid()
    if table.claim(rows) == len(rows):
        return set()
    first = [rows[0][0]] if where else []
    old = f"SELECT {column} FROM {table.name} WHERE {where} rowid <= ? AND {column} IN"  # noqa: S608  our names
    taken: set[Any] = set()
    for some in padded(values):
        marks = ", ".join("?" * len(some))
        taken.update(value for (value,) in table.execute(f"{old} ({marks})", [*first, last, *some]))
    twice = {value for value, count in Counter(values).items() if count > 1}
    for value in twice:
        table.execute(
            f"DELETE FROM {table.name} WHERE {where} rowid > ? AND {column} = ?",  # noqa: S608  our names
            [*first, last, value],
        )
    return taken | twice
