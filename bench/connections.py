"""How many connections a vault holds to PostgreSQL, as the database sees it."""

import contextlib
import threading
from collections.abc import Iterator

import psycopg

from bench.figure import Figure

OF_A_PROCESS = 3
"""What a process may hold: ``vault.stores.postgres``."""

EVERY_SECONDS = 0.1
_COUNT = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = %s AND starts_with(application_name, 'cardvault') AND backend_type = 'client backend'
"""


class Watch:
    """What was counted; ``most`` is the largest count so far, of any vault that was watched."""

    def __init__(self) -> None:
        self.most = 0


@contextlib.contextmanager
def watched(watch: Watch, dsn: str, database: str) -> Iterator[None]:
    """Count the connections of the vault that has this database, again and again.

    Raises:
        psycopg.Error: They cannot be counted.
    """
    ended = threading.Event()

    def count() -> None:
        while not ended.wait(EVERY_SECONDS):
            found = connection.execute(_COUNT, (database,)).fetchone()
            watch.most = max(watch.most, 0 if found is None else int(found[0]))

    with psycopg.connect(dsn, autocommit=True, application_name="bench") as connection:
        thread = threading.Thread(target=count, name="connections")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def connections_figure(watch: Watch, processes: int) -> Figure:
    """Return the figure: the most that were seen, beside what so many processes may hold.

    Raises:
        RuntimeError: None was ever seen, so nothing was counted.
    """
    if watch.most == 0:
        message = "no connection of the vault was seen"
        raise RuntimeError(message)
    limit = OF_A_PROCESS * processes
    return Figure("connections", watch.most, "", limit, f"{OF_A_PROCESS} a process", 1.0, at_most=True)
