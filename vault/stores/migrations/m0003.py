"""Step 3: the processes that serve from the database, and the access file that each goes by.

It only adds a table, which the releases before neither read nor miss. Like ``catalogue`` the table has no shape:
what stands in it is gone within minutes and is no part of a backup or a move.
"""

from vault.stores.migrations.step import Migration

_SQLITE = (
    """
    CREATE TABLE process (
        process_id BLOB NOT NULL,
        access_sha256 BLOB NOT NULL,
        seen_ms INTEGER NOT NULL,
        PRIMARY KEY (process_id)
    ) STRICT
    """,
)

_POSTGRES = (
    """
    CREATE TABLE process (
        process_id bytea NOT NULL,
        access_sha256 bytea NOT NULL,
        seen_ms bigint NOT NULL,
        PRIMARY KEY (process_id)
    )
    """,
)

MIGRATION = Migration(
    number=3, name="0003 processes that serve", oldest_release="0.1.0", sqlite=_SQLITE, postgres=_POSTGRES
)
