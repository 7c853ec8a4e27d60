"""Key versions and the use counts of key-encryption keys."""

import sqlite3
from collections.abc import Sequence

from vault.model.rows import KeyUseRow, KeyVersionRow
from vault.model.states import KeyPurpose
from vault.stores.sqlite.table import Table


class SqliteKeys:
    """Key versions and use counts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._versions = Table(connection, KeyVersionRow)
        self._uses = Table(connection, KeyUseRow)

    def all(self) -> list[KeyVersionRow]:
        """Return every key version, by purpose, program and version."""
        return self._versions.rows("ORDER BY purpose, program, version")

    def insert(self, rows: Sequence[KeyVersionRow]) -> None:
        """Write new key versions, all or none; raise ``AlreadyExists`` if one is there."""
        self._execute("SAVEPOINT key_versions")
        try:
            self._versions.insert(rows)
        except BaseException:
            self._execute("ROLLBACK TO key_versions")
            raise
        finally:
            self._execute("RELEASE key_versions")

    def update(self, row: KeyVersionRow) -> None:
        """Replace the key version with the row's key; raise ``NotFound`` if there is none."""
        self._versions.update([row])

    def use(self, purpose: KeyPurpose, program: str, version: int) -> KeyUseRow | None:
        """Return a key version's use count; None if there is none. SQLite has one writer, so it is locked."""
        return self._uses.row("WHERE purpose = ? AND program = ? AND version = ?", (purpose, program, version))

    def put_use(self, row: KeyUseRow) -> None:
        """Insert or replace a use count."""
        self._uses.put([row])
