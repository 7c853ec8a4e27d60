"""Copying a database file while others write to it.

1. The copy is the database as it was when copying began (one read transaction over SQLite's online backup, so
   writers never make it begin again); nobody waits for it.
2. The copy is one file, without a WAL beside it, and on the disk when ``copy`` returns.

While it runs the source's WAL cannot be rewound and grows by what is written.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from vault.errors import IntegrityFailure
from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.fault import translated

STEP_PAGES = 2048
"""Pages of 4 KiB between two reports of progress: 8 MiB."""

_CACHE_MIB = 16


def copy(source: Path, target: Path, watch: Callable[[int, int], None]) -> None:
    """Copy a database into an empty file that is there.

    Args:
        source: The database; other processes may write to it.
        target: An empty file.
        watch: Told of the pages done, and how many there are.

    Raises:
        Unavailable: A file cannot be read or written.
        IntegrityFailure: The source is damaged.
    """
    try:
        reading = connect(source, cache_mib=_CACHE_MIB, query_only=True)
        try:
            # A backup step that finds a read transaction open stays in it; without one, every commit by another
            # process would make the backup begin again.
            reading.execute("BEGIN")
            reading.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            _copy_from(reading, target, watch)
        finally:
            reading.close()
    except sqlite3.Error as error:
        raise translated(error) from error
    _sync(target)


def check_pages(path: Path) -> None:
    """Accept a file whose pages and indexes all fit together.

    Raises:
        IntegrityFailure: It is damaged.
    """
    connection = connect(path, cache_mib=_CACHE_MIB * 4, query_only=True)
    try:
        (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise translated(error) from error
    finally:
        connection.close()
    if found != "ok":
        raise IntegrityFailure(f"the database file {path.name} is damaged", reason="DATABASE_DAMAGED")


def _copy_from(reading: sqlite3.Connection, target: Path, watch: Callable[[int, int], None]) -> None:
    writing = sqlite3.connect(f"{target.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        # Nobody relies on the copy before it is whole and synced.
        writing.execute("PRAGMA synchronous = OFF")
        writing.execute("PRAGMA journal_mode = MEMORY").fetchone()
        reading.backup(writing, pages=STEP_PAGES, progress=lambda _, left, total: watch(total - left, total))
        writing.execute("PRAGMA journal_mode = DELETE").fetchone()
    finally:
        writing.close()


def settle(path: Path) -> None:
    """Make a database that nobody else has open one file, on the disk.

    Raises:
        Unavailable: The disk fails.
    """
    try:
        connection = connect(path, cache_mib=1)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error) from error
    _sync(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
