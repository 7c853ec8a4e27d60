"""Key versions and the use counts of key-encryption keys."""

from collections.abc import Sequence

from vault.errors import AlreadyExists
from vault.model.rows import KeyUseRow, KeyVersionRow
from vault.model.states import KeyPurpose
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table


class PostgresKeys:
    """Key versions and use counts; rows that are to be locked are so only where ``lock`` says how."""

    def __init__(self, session: Session, lock: str) -> None:
        self._command = session.command
        self._versions = Table(session, KeyVersionRow)
        self._uses = Table(session, KeyUseRow)
        self._lock = lock

    def all(self) -> list[KeyVersionRow]:
        """Return every key version, by purpose, program and version."""
        return self._versions.rows("ORDER BY purpose, program, version")

    def insert(self, rows: Sequence[KeyVersionRow]) -> None:
        """Write new key versions, all or none; raise ``AlreadyExists`` if one is there."""
        self._command("SAVEPOINT key_versions")
        try:
            self._versions.insert(rows)
        except AlreadyExists:
            self._command("ROLLBACK TO SAVEPOINT key_versions; RELEASE SAVEPOINT key_versions")
            raise
        self._command("RELEASE SAVEPOINT key_versions")

    def update(self, row: KeyVersionRow) -> None:
        """Replace the key version with the row's key; raise ``NotFound`` if there is none."""
        self._versions.update([row])

    def use(self, purpose: KeyPurpose, program: str, version: int) -> KeyUseRow | None:
        """Return the use count of a key version, locked; None if there is none."""
        wanted = (purpose, program, version)
        return self._uses.row(f"WHERE purpose = %b AND program = %b AND version = %b {self._lock}", wanted)

    def put_use(self, row: KeyUseRow) -> None:
        """Insert or replace a use count."""
        self._uses.put([row])
