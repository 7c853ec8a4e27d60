"""Opening the database file.

1. Connections never create the file: a missing database is an error, not an empty vault.
2. A commit is on the disk when it returns (WAL with synchronous=FULL).
3. Transactions begin and end only where the code says so (``isolation_level=None``).
"""

import os
import sqlite3
from pathlib import Path

BUSY_SECONDS = 5.0
"""How long to wait for a program that knows nothing of our queue, such as the ``sqlite3`` shell."""

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""What stays of the WAL's file after it was rewound; overwriting is quicker than growing it again."""

WAL_LIMIT_PAGES = 131_072
"""At 512 MiB of WAL a commit does the checkpoint itself, should ``checkpoint`` ever fall behind."""

_STATEMENTS = 512


def connect(path: Path, *, cache_mib: int, query_only: bool = False) -> sqlite3.Connection:
    """Open a connection that may be used by any one thread at a time.

    Args:
        path: The database's file, which exists.
        cache_mib: Page cache in MiB, at least 1; it fills as pages are touched.
        query_only: Refuse every write on this connection, and leave the file as it is.

    Raises:
        sqlite3.Error: The file cannot be opened, or is not a database.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    try:
        for pragma in (
            "synchronous = FULL",
            "temp_store = MEMORY",
            f"cache_size = {-cache_mib * 1024}",
            f"journal_size_limit = {WAL_KEPT_BYTES}",
            f"wal_autocheckpoint = {WAL_LIMIT_PAGES}",
            f"query_only = {int(query_only)}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        if not query_only:  # the mode is kept in the file, and setting it writes
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def create_file(path: Path) -> None:
    """Make an empty file that only its owner may read (0600), unless there is one; its directory exists.

    SQLite gives the files beside it the same mode.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
