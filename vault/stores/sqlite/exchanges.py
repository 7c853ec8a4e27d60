"""Exchanges, sale secrets and attempts; and how often superseded codes were tried."""

import sqlite3
from collections.abc import Collection, Sequence

from vault.model.incident_rows import AttemptRow, ExchangeRow, SaleSecretRow, SupersededUseRow
from vault.stores.sqlite.table import Table

_OF_CARD = "WHERE program = ? AND card_id = ?"
_OF_CARDS = "WHERE program = ? AND card_id IN"


class SqliteExchanges:
    """Exchanges, sale secrets and attempts."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, ExchangeRow)
        self._secrets = Table(connection, SaleSecretRow)
        self._attempts = Table(connection, AttemptRow)

    def get(self, program: str, card_id: bytes) -> list[ExchangeRow]:
        """Return a card's exchanges, by generation."""
        return self._table.rows(f"{_OF_CARD} ORDER BY generation", (program, card_id))

    def insert(self, row: ExchangeRow) -> None:
        """Write a new exchange; raise ``AlreadyExists`` if the card's generation was exchanged."""
        self._table.insert([row])

    def count(self, incident_id: bytes) -> int:
        """Count an incident's exchanges."""
        counting = "SELECT count(*) FROM exchange WHERE incident_id = ?"
        return int(self._table.execute(counting, (incident_id,)).fetchone()[0])

    def sale_secrets(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, SaleSecretRow]:
        """Return the sale secrets of cards; cards without one are left out."""
        return {row.card_id: row for row in self._secrets.rows_in(_OF_CARDS, [program], set(card_ids))}

    def put_sale_secrets(self, rows: Sequence[SaleSecretRow]) -> None:
        """Insert or replace sale secrets."""
        self._secrets.put(rows)

    def attempts(self, program: str, card_id: bytes) -> AttemptRow | None:
        """Return a card's attempts; None if there are none. SQLite has one writer, so they are locked."""
        return self._attempts.row(_OF_CARD, (program, card_id))

    def put_attempts(self, row: AttemptRow) -> None:
        """Insert or replace a card's attempts."""
        self._attempts.put([row])


class SqliteSupersededUses:
    """Uses of superseded codes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, SupersededUseRow)

    def get(self, program: str, card_ids: Collection[bytes]) -> list[SupersededUseRow]:
        """Return every row of these cards, of all generations, in no order; locked, as SQLite has one writer."""
        return self._table.rows_in(_OF_CARDS, [program], set(card_ids))

    def put(self, rows: Sequence[SupersededUseRow]) -> None:
        """Insert or replace rows."""
        self._table.put(rows)
