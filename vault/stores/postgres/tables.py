"""Whole tables."""

from collections.abc import Sequence
from typing import Any

from vault.model.rows import VaultRow
from vault.model.shape import Shape
from vault.stores import sql
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, mark
from vault.stores.tables import Row, in_use


class PostgresTables:
    """Pages, counts, loads and empties tables by their shapes."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._vault = Table(session, VaultRow)

    def page(self, shape: Shape, after: Row | None, limit: int) -> list[Any]:
        """Return up to ``limit`` rows in the order of the key, after a key (None: from the first)."""
        text = sql.page(shape, mark, first=after is None)
        return list(map(shape.row._make, self._session.run(text, [*(after or ()), limit]).fetchall()))

    def count(self, shape: Shape) -> int:
        """Count a table's rows."""
        found = self._session.run(sql.count(shape)).fetchone()
        return 0 if found is None else int(found[0])

    def naming(self, shape: Shape, column: str, version: int, program: str | None = None, start: int = 2) -> int:
        """Count the rows, of a program where the table has one, whose column names a key version."""
        in_program = program is not None and "program" in shape.columns
        text = sql.naming(shape, mark, column, in_program=in_program, start=start)
        values = [sql.named(shape, column, version), *([program] if in_program else [])]
        found = self._session.run(text, values).fetchone()
        return 0 if found is None else int(found[0])

    def load(self, shape: Shape, rows: Sequence[Any]) -> None:
        """Write new rows; raise ``AlreadyExists`` for a taken key, ``FailedPrecondition`` beside a vault."""
        self._check_no_vault()
        Table(self._session, shape.row).insert(rows)

    def empty(self, shape: Shape) -> None:
        """Delete every row of a table; raise ``FailedPrecondition`` beside a vault."""
        self._check_no_vault()
        self._session.run(sql.empty(shape))

    def _check_no_vault(self) -> None:
        if self._vault.row("LIMIT 1") is not None:
            raise in_use()
