"""SQLite's errors in the vault's words.

1. What the machine does to us (a full disk, a failing one, a lock held too long) is ``Unavailable``.
2. A file that is not what SQLite wrote is ``IntegrityFailure``.
3. A mistake in our own statements stays what it is, so that it is seen.

The sentences name no value: SQLite's own text may, so it is kept only as the cause.
"""

import sqlite3

from vault.errors import IntegrityFailure, Unavailable, VaultError

_UNAVAILABLE: dict[int, tuple[str, float]] = {
    sqlite3.SQLITE_BUSY: ("the database is locked by another program", 1.0),
    sqlite3.SQLITE_LOCKED: ("the database is locked by this program", 1.0),
    sqlite3.SQLITE_PROTOCOL: ("the database's locks are contended", 1.0),
    sqlite3.SQLITE_INTERRUPT: ("the statement was interrupted", 1.0),
    sqlite3.SQLITE_NOMEM: ("the database has run out of memory", 5.0),
    sqlite3.SQLITE_IOERR: ("the disk has failed to read or write", 5.0),
    sqlite3.SQLITE_CANTOPEN: ("a file of the database cannot be opened", 5.0),
    sqlite3.SQLITE_READONLY: ("the database cannot be written", 30.0),
    sqlite3.SQLITE_FULL: ("the disk is full", 30.0),
}
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def primary_code(error: sqlite3.Error) -> int:
    """Return the error's primary result code (sqlite.org/rescode.html); 0 where the driver itself raised it."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def translated(error: BaseException) -> BaseException:
    """Return what a caller gets for an error: ours where it is the machine's fault, else the error itself."""
    if not isinstance(error, sqlite3.Error):
        return error
    ours: VaultError
    code = primary_code(error)
    if code in _UNAVAILABLE:
        sentence, retry_seconds = _UNAVAILABLE[code]
        ours = Unavailable(sentence, retry_seconds=retry_seconds)
    elif code in _BROKEN:
        ours = IntegrityFailure("the database file is damaged")
    else:
        return error
    ours.__cause__ = error
    return ours


def undone(error: BaseException) -> Unavailable:
    """Return what every piece of work gets whose shared transaction could not begin or end."""
    reason = translated(error)
    sentence = "the commit failed and its outcome is unknown"
    retry_seconds: float | None = 1.0
    if isinstance(reason, VaultError):
        sentence = f"{reason.message}: {sentence}"
        retry_seconds = reason.retry_seconds
    ours = Unavailable(sentence, retry_seconds=retry_seconds)
    ours.__cause__ = error
    return ours


def is_taken(error: sqlite3.IntegrityError) -> bool:
    """Return whether a row was refused because its key is there already."""
    return error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_UNIQUE)
