"""The store for many vaults over one database: PostgreSQL 15 or newer."""

from vault.stores.postgres.address import Address
from vault.stores.postgres.schema import check_schema, migrate
from vault.stores.postgres.store import PostgresStore

__all__ = ["Address", "PostgresStore", "check_schema", "migrate"]
