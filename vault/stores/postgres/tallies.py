"""Counts of codes that are or may become good."""

from vault.model.rows import TallyRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table


class PostgresTallies:
    """Tallies; rows that are to be locked are so only where ``lock`` says how."""

    def __init__(self, session: Session, lock: str) -> None:
        self._table = Table(session, TallyRow)
        self._lock = lock

    def get(self, program: str) -> list[TallyRow]:
        """Return every slot of a program, by number."""
        return self._table.rows("WHERE program = %b ORDER BY slot", (program,))

    def get_locked(self, program: str, slot: int) -> TallyRow | None:
        """Return one slot, locked; None if there is none."""
        return self._table.row(f"WHERE program = %b AND slot = %b {self._lock}", (program, slot))

    def put(self, row: TallyRow) -> None:
        """Insert or replace a slot."""
        self._table.put([row])
