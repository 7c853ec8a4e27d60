"""Confirmed copies of the root key."""

from vault.model.rows import RootCopyRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table


class PostgresRootCopies:
    """Confirmed copies, one row for each version of the root key."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, RootCopyRow)

    def all(self) -> list[RootCopyRow]:
        """Return every confirmed copy, by root version."""
        return self._table.rows("ORDER BY root_version")

    def put(self, row: RootCopyRow) -> None:
        """Insert or replace the confirmation of a root version."""
        self._table.put([row])
