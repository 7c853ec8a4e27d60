"""The yardstick of jobs: the same rows written bare. ``python -m bench.bare SPOOL DATABASE``.

Same schema, same settings of SQLite, a transaction for each of the vault's own portions, rows sorted alike. Only
the transactions of timed portions are timed, not the reading of the spool. Writes what the portions count for and
the seconds as JSON.
"""

import json
import sqlite3
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.spool import TABLES, Portion, read_spool
from vault.model.shape import SHAPES, Shape
from vault.stores import sql
from vault.stores.sqlite import migrate
from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.store import CACHE_MIB
from vault.stores.sqlite.table import mark

_INSERTS = {table: sql.insert(SHAPES[table], mark) for table in TABLES}


def main() -> int:
    """Write the spool's rows to a new database."""
    spool, database = Path(sys.argv[1]), Path(sys.argv[2])
    migrate(database)
    connection = connect(database, cache_mib=CACHE_MIB)
    count, seconds = 0, 0.0
    for portion in read_spool(spool):
        began = time.monotonic()
        _write(connection, portion)
        if portion.counted:
            seconds += time.monotonic() - began
            count += portion.counted
    connection.close()
    print(json.dumps({"count": count, "seconds": seconds}))
    return 0


def _write(connection: sqlite3.Connection, portion: Portion) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in TABLES:
        if rows := portion.inserts.get(table):
            connection.executemany(_INSERTS[table], rows)
    for table, changes in portion.changes.items():
        connection.executemany(_update(SHAPES[table], changes.columns), changes.rows)
    connection.execute("COMMIT")


def _update(shape: Shape, names: Sequence[str]) -> str:
    """Return an UPDATE of some columns of the row with a key; its parameters are those, then the key's."""
    news = ", ".join(f"{name} = ?" for name in names)
    keys = " AND ".join(f"{name} = ?" for name in shape.key)
    return f"UPDATE {shape.table} SET {news} WHERE {keys}"  # noqa: S608  our names


if __name__ == "__main__":
    sys.exit(main())
