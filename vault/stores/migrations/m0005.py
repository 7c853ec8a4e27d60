"""Step 5: sealed submissions: which were taken, and the programs that take codes in no other form.

It adds a table, and a column that is NULL in the rows of the releases before, which neither read nor miss it.
"""

from vault.stores.migrations.step import Migration

_SQLITE = (
    """
    CREATE TABLE submission (
        nonce BLOB NOT NULL,
        principal TEXT NOT NULL,
        request_id BLOB NOT NULL,
        created_ms INTEGER NOT NULL,
        tag BLOB NOT NULL,
        PRIMARY KEY (nonce)
    ) STRICT
    """,
    # Sweeping the old ones.
    "CREATE INDEX submission_created ON submission (created_ms)",
    "ALTER TABLE program ADD COLUMN seal_required INTEGER",
)

_POSTGRES = (
    """
    CREATE TABLE submission (
        nonce bytea NOT NULL,
        principal text COLLATE "C" NOT NULL,
        request_id bytea NOT NULL,
        created_ms bigint NOT NULL,
        tag bytea NOT NULL,
        PRIMARY KEY (nonce)
    )
    """,
    # Sweeping the old ones.
    "CREATE INDEX submission_created ON submission (created_ms)",
    "ALTER TABLE program ADD COLUMN seal_required bigint",
)

MIGRATION = Migration(
    number=5, name="0005 sealed submissions", oldest_release="0.1.0", sqlite=_SQLITE, postgres=_POSTGRES
)
