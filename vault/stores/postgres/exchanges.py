"""Exchanges, sale secrets and attempts; and how often superseded codes were tried."""

from collections.abc import Collection, Sequence

from vault.model.incident_rows import AttemptRow, ExchangeRow, SaleSecretRow, SupersededUseRow
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of

_OF_CARD = "WHERE program = %b AND card_id = %b"
_OF_CARDS = "WHERE program = %b AND card_id = ANY(%b)"


class PostgresExchanges:
    """Exchanges, sale secrets and attempts; rows that are to be locked are so only where ``lock`` says how."""

    def __init__(self, session: Session, lock: str) -> None:
        self._table = Table(session, ExchangeRow)
        self._secrets = Table(session, SaleSecretRow)
        self._attempts = Table(session, AttemptRow)
        self._lock = lock

    def get(self, program: str, card_id: bytes) -> list[ExchangeRow]:
        """Return a card's exchanges, by generation."""
        return self._table.rows(f"{_OF_CARD} ORDER BY generation", (program, card_id))

    def insert(self, row: ExchangeRow) -> None:
        """Write a new exchange; raise ``AlreadyExists`` if the card's generation was exchanged."""
        self._table.insert([row])

    def count(self, incident_id: bytes) -> int:
        """Count an incident's exchanges."""
        counting = "SELECT count(*) FROM exchange WHERE incident_id = %b"
        found = self._table.run(counting, (incident_id,)).fetchone()
        return 0 if found is None else int(found[0])

    def sale_secrets(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, SaleSecretRow]:
        """Return the sale secrets of cards; cards without one are left out."""
        if not card_ids:
            return {}
        return {row.card_id: row for row in self._secrets.rows(_OF_CARDS, (program, any_of(bytes, card_ids)))}

    def put_sale_secrets(self, rows: Sequence[SaleSecretRow]) -> None:
        """Insert or replace sale secrets."""
        self._secrets.put(rows)

    def attempts(self, program: str, card_id: bytes) -> AttemptRow | None:
        """Return a card's attempts; None if there are none; locked."""
        return self._attempts.row(f"{_OF_CARD} {self._lock}", (program, card_id))

    def put_attempts(self, row: AttemptRow) -> None:
        """Insert or replace a card's attempts."""
        self._attempts.put([row])


class PostgresSupersededUses:
    """Uses of superseded codes; their rows are locked only where ``lock`` says how."""

    def __init__(self, session: Session, lock: str) -> None:
        self._table = Table(session, SupersededUseRow)
        self._lock = lock

    def get(self, program: str, card_ids: Collection[bytes]) -> list[SupersededUseRow]:
        """Return every row of these cards, of all generations, by card and generation; locked."""
        if not card_ids:
            return []
        tail = f"{_OF_CARDS} ORDER BY card_id, generation {self._lock}"
        return self._table.rows(tail, (program, any_of(bytes, card_ids)))

    def put(self, rows: Sequence[SupersededUseRow]) -> None:
        """Insert or replace rows."""
        self._table.put(rows)
