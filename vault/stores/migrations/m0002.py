"""Step 2: which versions of the root key someone has confirmed to hold a copy of.

It only adds a table, which the first release neither reads nor misses: it is applied while vaults of that
release serve, and they go on.
"""

from vault.stores.migrations.step import Migration

# INT, not INTEGER: a key that is one INTEGER is SQLite's rowid itself, and takes NULL for "the next one".
_SQLITE = (
    """
    CREATE TABLE root_copy (
        root_version INT NOT NULL,
        confirmed_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (root_version)
    ) STRICT
    """,
)

_POSTGRES = (
    """
    CREATE TABLE root_copy (
        root_version bigint NOT NULL,
        confirmed_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (root_version)
    )
    """,
)

MIGRATION = Migration(
    number=2, name="0002 confirmed copies of the root key", oldest_release="0.1.0", sqlite=_SQLITE, postgres=_POSTGRES
)
