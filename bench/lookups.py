"""The yardstick of look-ups on PostgreSQL: codes found bare by their digests.

``python -m bench.lookups DSN AT_ONCE SECONDS`` is one process of it: one connection, one prepared statement,
digests drawn from all over the table, whole rows fetched. No transaction around it, no check of what is found.
"""

import json
import subprocess
import sys
import time
from secrets import SystemRandom

import psycopg

from vault.model.shape import SHAPES
from vault.stores import sql

DIGESTS = 20_000
REST_SECONDS = 60.0


def lookups(dsn: str, at_once: int, seconds: float, processes: int) -> float:
    """Have processes look codes up at the same time, and return the codes found a second.

    Args:
        dsn: A vault's database, which holds codes.
        at_once: Codes asked for in one statement.
        seconds: For how long.
        processes: How many.

    Raises:
        subprocess.SubprocessError: One failed, or was not done in time.
    """
    command = [sys.executable, "-m", "bench.lookups", dsn, str(at_once), str(seconds)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]  # noqa: S603
    rate = 0.0
    try:
        for process in running:
            said, _ = process.communicate(timeout=seconds + REST_SECONDS)
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, "bench.lookups")
            rate += json.loads(said)["rate"]
    finally:
        for process in running:
            process.kill()
    return rate


def main() -> int:
    """Look up for a time, and say how many codes a second were found."""
    dsn, at_once, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with psycopg.connect(dsn, autocommit=True, prepare_threshold=0, application_name="bench") as connection:
        cursor = connection.cursor(binary=True)
        cursor.execute("SET enable_seqscan = off")
        digests = [row[0] for row in cursor.execute("SELECT digest FROM code ORDER BY random() LIMIT %b", (DIGESTS,))]
        SystemRandom().shuffle(digests)
        portions = [sorted(digests[at : at + at_once]) for at in range(0, len(digests) - at_once + 1, at_once)]
        statement = sql.select(SHAPES["code"], "WHERE digest = ANY(%b)").encode()
        found, turn, began = 0, 0, time.monotonic()
        while time.monotonic() < began + seconds:
            found += len(cursor.execute(statement, (portions[turn % len(portions)],)).fetchall())
            turn += 1
        print(json.dumps({"rate": found / (time.monotonic() - began)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
