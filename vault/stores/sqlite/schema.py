"""The database file's schema: bringing it up to date, and refusing to run on one that does not fit.

1. A step is applied in one transaction together with its line in the table ``migration``: whatever interrupts
   it, it is there whole or not at all.
2. Only a file that is empty or a vault already is touched.

A vault's file is known by SQLite's application id, 0x43564C54 ("CVLT").
"""

import sqlite3
import time
from pathlib import Path

from vault.errors import FailedPrecondition, VaultError
from vault.stores.migrations import MIGRATIONS, Migration, release_number
from vault.stores.sqlite.connection import connect, create_file
from vault.stores.sqlite.fault import translated
from vault.stores.sqlite.turn import Turn

APPLICATION_ID = 0x43564C54

_CACHE_MIB = 16
_MIGRATION_TABLE = """
    CREATE TABLE migration (
        version INTEGER NOT NULL PRIMARY KEY,
        name TEXT NOT NULL,
        oldest_release TEXT NOT NULL,
        applied_ms INTEGER NOT NULL
    ) STRICT
"""


def migrate(path: Path) -> list[str]:
    """Apply the steps that the database lacks, making the file (mode 0600) if there is none.

    Returns:
        The names of the steps applied, in order; empty if it was up to date.

    Raises:
        FailedPrecondition: The file is not a vault.
        Unavailable: The file cannot be opened or written.
    """
    applied = []
    try:
        create_file(path)
        _look(path)  # before a connection that writes turns someone else's file into WAL mode
        connection = connect(path, cache_mib=_CACHE_MIB)
        turn = Turn(path)
        try:
            for step in MIGRATIONS:
                with turn:
                    if _apply(connection, path, step):
                        applied.append(step.name)
        finally:
            connection.close()
            turn.close()
    except (sqlite3.Error, OSError) as error:
        raise _refused(path, error) from error
    return applied


def check_schema(path: Path, release: str) -> None:
    """Return if a release may run on the database.

    Raises:
        FailedPrecondition: The file is missing, not a vault, not migrated yet, or was migrated by a release
            that this one is too old for.
        Unavailable: The file cannot be read.
    """
    if not path.exists():
        raise _not_migrated(path)
    try:
        there = _look(path)
    except (sqlite3.Error, OSError) as error:
        raise _refused(path, error) from error
    oldest = max(there.values(), key=release_number, default=release)
    if release_number(oldest) > release_number(release):
        message = (
            f"the database {path.name} has a schema for release {oldest} or later, and this is release {release}: "
            f"run the newer release"
        )
        raise FailedPrecondition(message, reason="SCHEMA_TOO_NEW")
    if any(step.number not in there for step in MIGRATIONS):
        raise _not_migrated(path)


def _look(path: Path) -> dict[int, str]:
    connection = connect(path, cache_mib=1, query_only=True)
    try:
        return _applied(connection, path)
    finally:
        connection.close()


def _apply(connection: sqlite3.Connection, path: Path, step: Migration) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        there = _applied(connection, path)
        if step.number in there:
            return False
        if not there:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(_MIGRATION_TABLE)
        for statement in step.sqlite:
            connection.execute(statement)
        connection.execute(
            "INSERT INTO migration (version, name, oldest_release, applied_ms) VALUES (?, ?, ?, ?)",
            (step.number, step.name, step.oldest_release, time.time_ns() // 1_000_000),
        )
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return True


def _applied(connection: sqlite3.Connection, path: Path) -> dict[int, str]:
    """Return the oldest release of each step that was applied; empty for an empty file."""
    if connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
        return dict(connection.execute("SELECT version, oldest_release FROM migration"))
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return {}
    raise _not_a_vault(path)


def _not_migrated(path: Path) -> FailedPrecondition:
    message = f"the database {path.name} is not migrated yet: run `cardvault migrate`"
    return FailedPrecondition(message, reason="NOT_MIGRATED")


def _not_a_vault(path: Path) -> FailedPrecondition:
    message = f"the file {path.name} is not a vault's database"
    return FailedPrecondition(message, reason="NOT_A_VAULT")


def _refused(path: Path, error: sqlite3.Error | OSError) -> BaseException:
    if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
        return _not_a_vault(path)
    ours = translated(error)
    if isinstance(ours, VaultError) or not isinstance(error, OSError):
        return ours
    message = f"the database {path.name} cannot be opened: {error.strerror}"
    return FailedPrecondition(message, reason="DATABASE_UNREADABLE")
