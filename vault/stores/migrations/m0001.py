"""Step 1: every table of the first release.

Unique keys are those of the shapes and nothing else: no foreign key, no sequence, so that a distributed
database can shard by them. The other indexes say beside them which look-up needs them.
"""

from vault.stores.migrations import m0001_postgres, m0001_sqlite
from vault.stores.migrations.step import Migration

MIGRATION = Migration(
    number=1,
    name="0001 every table",
    oldest_release="0.1.0",
    sqlite=m0001_sqlite.STATEMENTS,
    postgres=m0001_postgres.STATEMENTS,
)
