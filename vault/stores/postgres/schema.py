"""The database's schema: bringing it up to date, and refusing to run on one that does not fit.

1. A step is applied in one transaction together with its line in the table ``migration``: whatever interrupts
   it, it is there whole or not at all. Of several that migrate at once one works and the others wait.
2. Only a schema that is empty or a vault's already is touched: the one that the connection's search_path makes
   the current one.

A vault's schema is known by the comment on its table ``migration``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from vault.errors import FailedPrecondition, Unavailable
from vault.stores.migrations import MIGRATIONS, Migration, release_number
from vault.stores.postgres.address import Address
from vault.stores.postgres.fault import is_lost, translated

MARK = "cardvault"
_LOCK = 0x43564C54

_MIGRATION_TABLE = f"""
    CREATE TABLE migration (
        version bigint NOT NULL,
        name text COLLATE "C" NOT NULL,
        oldest_release text COLLATE "C" NOT NULL,
        applied_ms bigint NOT NULL,
        PRIMARY KEY (version)
    );
    COMMENT ON TABLE migration IS '{MARK}'
"""
_RECORD = """
    INSERT INTO migration (version, name, oldest_release, applied_ms)
    VALUES (%s, %s, %s, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
"""


def migrate(address: Address) -> list[str]:
    """Apply the steps that the database lacks.

    Returns:
        The names of the steps applied, in order; empty if it was up to date.

    Raises:
        FailedPrecondition: The database holds something else, or the address cannot be used.
        Unavailable: The database cannot be reached.
    """
    with _connected(address) as connection:
        return [step.name for step in MIGRATIONS if _apply(connection, step)]


def check_schema(address: Address, release: str) -> None:
    """Return if a release may run on the database.

    Raises:
        FailedPrecondition: The database is not a vault, not migrated yet, or was migrated by a release that
            this one is too old for; or the address cannot be used.
        Unavailable: The database cannot be reached.
    """
    with _connected(address) as connection:
        there = _applied(connection)
    oldest = max(there.values(), key=release_number, default=release)
    if release_number(oldest) > release_number(release):
        message = (
            f"the database has a schema for release {oldest} or later, and this is release {release}: "
            f"run the newer release"
        )
        raise FailedPrecondition(message, reason="SCHEMA_TOO_NEW")
    if any(step.number not in there for step in MIGRATIONS):
        message = "the database is not migrated yet: run `cardvault migrate`"
        raise FailedPrecondition(message, reason="NOT_MIGRATED")


def tables(address: Address) -> tuple[str, list[str]]:
    """Return the current schema's name, and its tables, which are a vault's.

    Raises:
        FailedPrecondition: The database holds something else, or the address cannot be used.
        Unavailable: The database cannot be reached.
    """
    with _connected(address) as connection:
        _applied(connection)
        (schema,) = connection.execute("SELECT current_schema()").fetchone() or ("",)
        found = connection.execute(
            """SELECT relname FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') ORDER BY relname"""
        )
        return str(schema), [str(name) for (name,) in found]


@contextmanager
def _connected(address: Address) -> Iterator[Connection[tuple[Any, ...]]]:
    words = address.words()
    try:
        with psycopg.connect(**words, autocommit=True, prepare_threshold=None) as connection:  # type: ignore[arg-type]
            yield connection
    except psycopg.Error as error:
        if is_lost(error):
            # PostgreSQL's words on why it let nobody in name a host, a user or a database, never a row.
            message = f"the database cannot be reached: {str(error).splitlines()[0]}"
            raise Unavailable(message, retry_seconds=1.0) from None
        raise translated(error) from None


def _apply(connection: Connection[tuple[Any, ...]], step: Migration) -> bool:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        there = _applied(connection)
        if step.number in there:
            return False
        if not there:
            connection.execute(_MIGRATION_TABLE.encode())
        for statement in step.postgres:
            connection.execute(statement.encode())
        connection.execute(_RECORD, (step.number, step.name, step.oldest_release))
    return True


def _applied(connection: Connection[tuple[Any, ...]]) -> dict[int, str]:
    """Return the oldest release of each step that was applied; empty for an empty schema."""
    found = connection.execute(
        """SELECT relname, obj_description(oid, 'pg_class') FROM pg_class
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'f')"""
    ).fetchall()
    if ("migration", MARK) in found:
        return dict(connection.execute("SELECT version, oldest_release FROM migration").fetchall())
    if found:
        message = "the database is not a vault's: it holds other tables"
        raise FailedPrecondition(message, reason="NOT_A_VAULT")
    return {}
