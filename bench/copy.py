"""The yardstick of issuance on PostgreSQL: the same rows by bare COPY. ``python -m bench.copy SPOOL DSN``.

A binary COPY for each table and a transaction for each of the vault's own portions, rows sorted alike, into a
migrated database. Timed are the transactions, with psycopg's making of the binary rows; not the reading of the
spool. Writes the number of cards and the seconds as JSON.
"""

import json
import sys
import time
from pathlib import Path

import psycopg

from bench.spool import TABLES, read_spool
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.postgres.binary import column_kinds, type_name


def main() -> int:
    """Write the spool's rows to a migrated database."""
    spool, dsn = Path(sys.argv[1]), sys.argv[2]
    statements = {
        table: f"COPY {table} ({sql.columns(SHAPES[table])}) FROM STDIN (FORMAT BINARY)".encode() for table in TABLES
    }
    types = {table: [type_name(kind) for kind in column_kinds(SHAPES[table].row)] for table in TABLES}
    cards, seconds = 0, 0.0
    with psycopg.connect(dsn, autocommit=True, application_name="bench") as connection:
        cursor = connection.cursor()
        for portion in read_spool(spool):
            began = time.monotonic()
            cursor.execute("BEGIN")
            for table in TABLES:
                with cursor.copy(statements[table]) as copying:
                    copying.set_types(types[table])
                    for row in portion[table]:
                        copying.write_row(row)
            cursor.execute("COMMIT")
            seconds += time.monotonic() - began
            cards += len(portion["card"])
    print(json.dumps({"cards": cards, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
