"""The release after this one, as far as its schema goes: it has one step more. Runs commands as ``cardvault`` does.

No release is out yet whose successor this one is, so today's is the release before, and this the one that
migrates under it.
"""

import sys

from vault.cli.commands import main
from vault.stores import migrations
from vault.stores.migrations import Migration
from vault.stores.postgres import schema as postgres_schema
from vault.stores.sqlite import schema as sqlite_schema

STEP = Migration(
    len(migrations.MIGRATIONS) + 1,
    f"{len(migrations.MIGRATIONS) + 1:04} later things",
    "0.1.0",
    ("ALTER TABLE card ADD COLUMN later INTEGER", "CREATE TABLE later (later_id BLOB PRIMARY KEY) STRICT"),
    ("ALTER TABLE card ADD COLUMN later bigint", "CREATE TABLE later (later_id bytea PRIMARY KEY)"),
)
MODULE = [sys.executable, "-m", "tests.system.next_release"]


def become_next() -> None:
    """Know one step more."""
    grown = (*migrations.MIGRATIONS, STEP)
    for module in (migrations, sqlite_schema, postgres_schema):
        vars(module)["MIGRATIONS"] = grown


if __name__ == "__main__":
    become_next()
    sys.exit(main(sys.argv[1:]))
