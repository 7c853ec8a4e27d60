"""The yardstick of jobs on PostgreSQL: the same rows by bare COPY. ``python -m bench.copy SPOOL DSN``.

A binary COPY for each table, an UPDATE from arrays for rows that are changed, and a transaction for each of the
vault's own portions, rows sorted alike, into a migrated database. Timed are the transactions of timed portions, with
psycopg's making of the binary rows; not the reading of the spool. Writes what the portions count for and the seconds
as JSON.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from bench.spool import TABLES, Changes, Portion, read_spool
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.postgres.binary import column_kinds, type_name

_COPIES = {
    table: f"COPY {table} ({sql.columns(SHAPES[table])}) FROM STDIN (FORMAT BINARY)".encode() for table in TABLES
}
_TYPES = {table: [type_name(kind) for kind in column_kinds(SHAPES[table].row)] for table in TABLES}


def main() -> int:
    """Write the spool's rows to a migrated database."""
    spool, dsn = Path(sys.argv[1]), sys.argv[2]
    count, seconds = 0, 0.0
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0, application_name="bench") as connection:
        cursor = connection.cursor()
        there = True
        for portion in read_spool(spool):
            if there and portion.counted:
                cursor.execute("ANALYZE")  # as autovacuum does in time; only timed portions follow
                there = False
            began = time.monotonic()
            _write(cursor, portion)
            if portion.counted:
                seconds += time.monotonic() - began
                count += portion.counted
    print(json.dumps({"count": count, "seconds": seconds}))
    return 0


def _write(cursor: psycopg.Cursor[Any], portion: Portion) -> None:
    cursor.execute("BEGIN")
    for table in TABLES:
        rows: Sequence[Any] = portion.inserts.get(table, ())
        if rows:
            with cursor.copy(_COPIES[table]) as copying:
                copying.set_types(_TYPES[table])
                for row in rows:
                    copying.write_row(row)
    for table, changes in portion.changes.items():
        columns = list(map(list, zip(*changes.rows, strict=True)))
        cursor.execute(_update(table, changes).encode(), columns, binary=True)
    cursor.execute("COMMIT")


def _update(table: str, changes: Changes) -> str:
    key = SHAPES[table].key
    types = dict(zip(SHAPES[table].columns, _TYPES[table], strict=True))
    arrays = ", ".join(f"%b::{types[name]}[]" for name in (*changes.columns, *key))
    return (
        f"UPDATE {table} AS old SET {', '.join(f'{name} = new.{name}' for name in changes.columns)}"  # noqa: S608  ours
        f" FROM unnest({arrays}) AS new ({', '.join((*changes.columns, *(f'{name}_before' for name in key)))})"
        f" WHERE {' AND '.join(f'old.{name} = new.{name}_before' for name in key)}"
    )


if __name__ == "__main__":
    sys.exit(main())
