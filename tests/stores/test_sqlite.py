"""The SQLite store passes the suite of all stores."""

from tests.contracts.store import StoreContract


class TestSqliteStore(StoreContract):
    pass
