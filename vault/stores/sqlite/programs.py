"""The vault's own row, programs and recipients."""

import sqlite3

from vault.model.rows import ProgramRow, RecipientRow, VaultRow
from vault.stores.sqlite.table import Table


class SqliteVault:
    """The vault's own row and the catalogue number."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, VaultRow)

    def get(self) -> VaultRow | None:
        """Return the vault's row; None before the vault is initialised."""
        return self._table.row("LIMIT 1")

    def insert(self, row: VaultRow) -> None:
        """Write the vault's row."""
        self._table.insert([row])

    def catalogue_number(self) -> int:
        """Return the number that rises with every change of a program, key version or key use."""
        return int(self._table.execute("SELECT number FROM catalogue WHERE id = 1").fetchone()[0])

    def bump_catalogue(self) -> None:
        """Raise the catalogue number by one."""
        self._table.execute("UPDATE catalogue SET number = number + 1 WHERE id = 1")


class SqlitePrograms:
    """Programs."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, ProgramRow)

    def all(self) -> list[ProgramRow]:
        """Return every program, by id."""
        return self._table.rows("ORDER BY program")

    def insert(self, row: ProgramRow) -> None:
        """Write a new program; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: ProgramRow) -> None:
        """Replace the program with the row's id; raise ``NotFound`` if there is none."""
        self._table.update([row])


class SqliteRecipients:
    """Recipients."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, RecipientRow)

    def get(self, program: str, recipient: str) -> RecipientRow | None:
        """Return a recipient; None if there is none."""
        return self._table.row("WHERE program = ? AND recipient = ?", (program, recipient))

    def insert(self, row: RecipientRow) -> None:
        """Write a new recipient; raise ``AlreadyExists`` if its id is taken in the program."""
        self._table.insert([row])

    def page(self, program: str, after: str, limit: int) -> list[RecipientRow]:
        """Return up to ``limit`` recipients with ids after ``after`` (empty: from the first), by id."""
        return self._table.rows(
            "WHERE program = ? AND recipient > ? ORDER BY recipient LIMIT ?", (program, after, limit)
        )
