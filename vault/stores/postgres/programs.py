"""The vault's own row, programs and recipients."""

from vault.model.rows import ProgramRow, RecipientRow, VaultRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table


class PostgresVault:
    """The vault's own row and the catalogue number."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._table = Table(session, VaultRow)

    def get(self) -> VaultRow | None:
        """Return the vault's row; None before the vault is initialised."""
        return self._table.row("LIMIT 1")

    def insert(self, row: VaultRow) -> None:
        """Write the vault's row.

        The catalogue number rises too: of two processes that do this at the same time the second is run again,
        and finds the row of the first.
        """
        self.bump_catalogue()
        self._table.insert([row])

    def catalogue_number(self) -> int:
        """Return the number that rises with every change of a program, key version or key use."""
        number = self._session.catalogue  # read with the transaction's beginning
        if number is None:
            found = self._table.run("SELECT number FROM catalogue WHERE id = 1").fetchone()
            assert found is not None, "the migration has written it"
            number = self._session.catalogue = int(found[0])
        return number

    def bump_catalogue(self) -> None:
        """Raise the catalogue number by one."""
        self._session.catalogue = None
        self._table.run("UPDATE catalogue SET number = number + 1 WHERE id = 1")


class PostgresPrograms:
    """Programs."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, ProgramRow)

    def all(self) -> list[ProgramRow]:
        """Return every program, by id."""
        return self._table.rows("ORDER BY program")

    def insert(self, row: ProgramRow) -> None:
        """Write a new program; raise ``AlreadyExists`` if its id is taken."""
        self._table.insert([row])

    def update(self, row: ProgramRow) -> None:
        """Replace the program with the row's id; raise ``NotFound`` if there is none."""
        self._table.update([row])


class PostgresRecipients:
    """Recipients."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, RecipientRow)

    def get(self, program: str, recipient: str) -> RecipientRow | None:
        """Return a recipient; None if there is none."""
        return self._table.row("WHERE program = %b AND recipient = %b", (program, recipient))

    def insert(self, row: RecipientRow) -> None:
        """Write a new recipient; raise ``AlreadyExists`` if its id is taken in the program."""
        self._table.insert([row])

    def page(self, program: str, after: str, limit: int) -> list[RecipientRow]:
        """Return up to ``limit`` recipients with ids after ``after`` (empty: from the first), by id."""
        return self._table.rows(
            "WHERE program = %b AND recipient > %b ORDER BY recipient LIMIT %b", (program, after, limit)
        )
