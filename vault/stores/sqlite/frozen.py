"""One moment of a database, held for as long as it takes to read everything.

1. Nothing is written to the file; what others commit meanwhile is not seen.
2. A frozen database has no writers: they wait in their queue until it is let go.

It does not keep a program out that knows nothing of the queue, such as the ``sqlite3`` shell: its writes are
not seen either, and are lost to whoever copied the moment.
"""

import fcntl
import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.fault import translated
from vault.stores.sqlite.transaction import SqliteTransaction
from vault.stores.sqlite.turn import Turn

CACHE_MIB = 16
"""Rows are read once each, in an order that is random in the file, so more would be kept for nothing."""

# Where SQLite's readers lock a database (sqlite.org/fileformat.html, "lock-byte page"); Linux's struct flock.
_SHARED_FIRST = 0x40000002
_SHARED_SIZE = 510
_FLOCK = struct.Struct("@hhqqi0q")


@contextmanager
def moment(path: Path) -> Iterator[SqliteTransaction]:
    """Read the database as it is now, whatever is written meanwhile.

    Raises:
        Unavailable: The file cannot be read.
        IntegrityFailure: The file is damaged.
    """
    try:
        connection = connect(path, cache_mib=CACHE_MIB, query_only=True)
        try:
            connection.execute("BEGIN")
            yield SqliteTransaction(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error) from error


@contextmanager
def no_writers(path: Path) -> Iterator[None]:
    """Take the writers' turn and keep it: every other writer waits."""
    turn = Turn(path)
    try:
        with turn:
            yield
    finally:
        turn.close()


def process_using(path: Path) -> int | None:
    """Return the id of another process that has the database open; None if there is none.

    Call it before this process opens the database itself: closing a file drops the locks that SQLite holds on
    it (POSIX fcntl, F_SETLK).
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_SIZE, 0)
        kind, _, _, _, process = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
    finally:
        os.close(descriptor)
    return None if kind == fcntl.F_UNLCK else int(process)
