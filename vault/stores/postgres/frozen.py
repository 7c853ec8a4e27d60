"""One moment of a database, held for as long as it takes to read everything.

1. Nothing is written, and what others commit meanwhile is not seen.
2. A database without writers keeps them waiting (its tables are locked in SHARE mode) until it is let go.

While a moment is held PostgreSQL keeps every row version since then, so one of hours makes the tables grow.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from vault.model.shape import SHAPES
from vault.stores.postgres.address import Address
from vault.stores.postgres.deadline import Line
from vault.stores.postgres.fault import is_lost, translated, unreachable
from vault.stores.postgres.session import READ_ONLY, REPEATABLE_READ, Session
from vault.stores.postgres.transaction import PostgresTransaction

_PATIENCE_SECONDS = 86_400.0
_OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND starts_with(application_name, 'cardvault')
    AND pid <> pg_backend_pid()
"""


@contextmanager
def moment(address: Address) -> Iterator[PostgresTransaction]:
    """Read the database as it is now, whatever is written meanwhile.

    Raises:
        FailedPrecondition: The address cannot be used.
        Unavailable: The database cannot be read.
        IntegrityFailure: Its files are damaged.
    """
    with _session(address, READ_ONLY) as session:
        yield PostgresTransaction(session, writes=False)


@contextmanager
def exported_moment(address: Address) -> Iterator[tuple[PostgresTransaction, str]]:
    """Read the database as it is now, under a name by which other connections read the same moment.

    Raises:
        As ``moment``.
    """
    with _session(address, READ_ONLY) as session:
        found = session.run("SELECT pg_export_snapshot()").fetchone()
        assert found is not None, "a function returns one row"
        yield PostgresTransaction(session, writes=False), str(found[0])


@contextmanager
def no_writers(address: Address) -> Iterator[None]:
    """Keep every writer of the vault's tables waiting, from now on.

    Raises:
        Unavailable: The database cannot be reached, or someone is writing right now.
    """
    with _session(address, REPEATABLE_READ) as session:
        session.command(f"LOCK TABLE catalogue, {', '.join(SHAPES)} IN SHARE MODE")
        yield


def processes_using(address: Address) -> int:
    """Count the connections that vaults hold to the database.

    Raises:
        Unavailable: The database cannot be reached.
    """
    with _session(address, READ_ONLY) as session:
        found = session.run(_OTHERS).fetchone()
        return 0 if found is None else int(found[0])


@contextmanager
def _session(address: Address, mode: str) -> Iterator[Session]:
    session = Session(address, Line(_PATIENCE_SECONDS), mode)
    try:
        session.begin()
        yield session
    except psycopg.Error as error:
        raise (unreachable() if is_lost(error) else translated(error)) from None
    finally:
        session.drop()
