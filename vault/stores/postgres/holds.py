"""Holds that hold, and principals that are cut off."""

from collections.abc import Collection

from vault.model.incident_rows import BlockRow, HoldRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of


class PostgresHolds:
    """Holds."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, HoldRow)

    def tags(self) -> dict[bytes, bytes]:
        """Return the tag of every hold, by id, however long the rows are (the ids are kept apart from them)."""
        return dict(self._table.run("SELECT hold_id, tag FROM hold").fetchall())

    def get(self, hold_ids: Collection[bytes]) -> dict[bytes, HoldRow]:
        """Return the holds with these ids; ids without a hold are left out."""
        if not hold_ids:
            return {}
        return {row.hold_id: row for row in self._table.rows("WHERE hold_id = ANY(%b)", (any_of(bytes, hold_ids),))}

    def insert(self, row: HoldRow) -> None:
        """Write a new hold; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def delete(self, hold_id: bytes) -> None:
        """Delete a hold; raise ``NotFound`` if there is none."""
        self._table.delete((hold_id,))

    def page(self, program: str, after: bytes, limit: int) -> list[HoldRow]:
        """Return up to ``limit`` holds of a program with ids after ``after`` (empty: from the first), by id."""
        return self._table.rows(
            "WHERE program = %b AND hold_id > %b ORDER BY hold_id LIMIT %b", (program, after, limit)
        )


class PostgresBlocks:
    """Blocks."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, BlockRow)

    def all(self) -> list[BlockRow]:
        """Return every block, by program and principal."""
        return self._table.rows("ORDER BY program, principal")

    def put(self, row: BlockRow) -> None:
        """Insert or replace a block."""
        self._table.put([row])

    def delete(self, program: str, principal: str) -> None:
        """Delete a block; raise ``NotFound`` if there is none."""
        self._table.delete((program, principal))
