"""The embedded store: one SQLite file, in WAL mode, for every process of one machine."""

from vault.stores.sqlite.schema import check_schema, migrate
from vault.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore", "check_schema", "migrate"]
