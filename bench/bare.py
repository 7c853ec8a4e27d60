"""The yardstick of issuance: the same rows written bare. ``python -m bench.bare SPOOL DATABASE``.

Same schema, same settings of SQLite, a transaction for each of the vault's own portions, rows sorted alike. Only
the transactions are timed, not the reading of the spool. Writes the number of cards and the seconds as JSON.
"""

import json
import sys
import time
from pathlib import Path

from bench.spool import TABLES, read_spool
from vault.model.shape import SHAPES
from vault.stores import sql
from vault.stores.sqlite import migrate
from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.store import CACHE_MIB
from vault.stores.sqlite.table import mark


def main() -> int:
    """Write the spool's rows to a new database."""
    spool, database = Path(sys.argv[1]), Path(sys.argv[2])
    migrate(database)
    connection = connect(database, cache_mib=CACHE_MIB)
    statements = {table: sql.insert(SHAPES[table], mark) for table in TABLES}
    cards, seconds = 0, 0.0
    for portion in read_spool(spool):
        began = time.monotonic()
        connection.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            connection.executemany(statements[table], portion[table])
        connection.execute("COMMIT")
        seconds += time.monotonic() - began
        cards += len(portion["card"])
    connection.close()
    print(json.dumps({"cards": cards, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
