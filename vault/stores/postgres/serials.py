"""Serials."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from vault.model.rows import SerialRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of, taken_of


class PostgresSerials:
    """Serials."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, SerialRow)

    def claim(self, rows: Sequence[SerialRow]) -> set[str]:
        """Write each row whose program and serial are free, and return the serials that were not.

        A serial that another transaction is about to claim is waited for. A serial that stands in the call
        twice in a program is not written and is returned.
        """
        by_program: defaultdict[str, list[SerialRow]] = defaultdict(list)
        for row in rows:
            by_program[row.program].append(row)
        taken: set[str] = set()
        for _, some in sorted(by_program.items()):
            taken |= taken_of(self._table, "serial", some, [row.serial for row in some])
        return taken

    def get(self, program: str, serials: Collection[str]) -> dict[str, SerialRow]:
        """Return the rows of these serials; serials without a row are left out."""
        if not serials:
            return {}
        wanted = (program, any_of(str, serials))
        return {row.serial: row for row in self._table.rows("WHERE program = %b AND serial = ANY(%b)", wanted)}
