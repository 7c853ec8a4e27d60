"""Cards."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vault.model.rows import CardRow
from vault.model.states import CardState, Usage
from vault.stores.incidents import Counts, counted
from vault.stores.sqlite.table import Table

_ONE_OR_ANOTHER = """
    WHERE program = ?1 AND card_id = coalesce(
        (SELECT there.card_id FROM card AS there WHERE there.program = ?1 AND there.card_id = ?2), ?3
    )
"""
_COUNT = "SELECT state, usage, count(*) FROM card WHERE {} GROUP BY state, usage"


class SqliteCards:
    """Cards."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, CardRow)
        self._another: dict[str, bytes] = {}  # the id of a card that was found before, by program

    def get(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, CardRow]:
        """Return the cards with these ids; ids without a card are left out.

        For one id that has no card another card's row is read and dropped, as with codes.
        """
        another = self._another.get(program)
        if len(card_ids) == 1 and another is not None:
            (card_id,) = card_ids
            rows = self._table.rows(_ONE_OR_ANOTHER, (program, card_id, another))
            found = {row.card_id: row for row in rows if row.card_id == card_id}
        else:
            rows = self._table.rows_in("WHERE program = ? AND card_id IN", [program], card_ids)
            found = {row.card_id: row for row in rows}
        if found:
            self._another[program] = next(iter(found))
        return found

    def insert(self, rows: Sequence[CardRow]) -> None:
        """Write new cards; quickest when sorted by id. Raise ``AlreadyExists`` if an id is taken."""
        self._table.insert(rows)

    def update(self, rows: Sequence[CardRow]) -> None:
        """Replace the cards with the rows' program and card id; raise ``NotFound`` if one is not there."""
        self._table.update(rows)

    def page(  # noqa: PLR0913  one argument for each filter of ListCards
        self,
        program: str,
        after: bytes,
        limit: int,
        *,
        batch_id: bytes | None = None,
        state: CardState | None = None,
        usage: Usage | None = None,
    ) -> list[CardRow]:
        """Return up to ``limit`` matching cards with ids after ``after`` (empty: from the first), by id.

        A filter on state or usage reads past the cards that do not match.
        """
        tail = "WHERE program = ? AND card_id > ?"
        values: list[Any] = [program, after]
        if batch_id is not None:
            # A unary plus keeps SQLite from using an index: INDEXED BY could not name a key's own.
            by_batch = self._few(batch_id, limit)
            tail = "WHERE +program = ? AND +card_id > ? AND batch_id = ?" if by_batch else f"{tail} AND +batch_id = ?"
            values.append(batch_id)
        if state is not None:
            tail += " AND state = ?"
            values.append(state)
        if usage is not None:
            tail += " AND usage = ?"
            values.append(usage)
        return self._table.rows(f"{tail} ORDER BY card_id LIMIT ?", [*values, limit])

    def in_batch(self, batch_id: bytes, position: int, limit: int) -> list[CardRow]:
        """Return up to ``limit`` cards of a batch from a position on, by position."""
        return self._table.rows(
            "WHERE batch_id = ? AND batch_position >= ? ORDER BY batch_position LIMIT ?", (batch_id, position, limit)
        )

    def count_by_state(self, batch_id: bytes) -> Mapping[CardState, int]:
        """Count a batch's cards by state; states without cards are left out."""
        found = self._table.execute("SELECT state, count(*) FROM card WHERE batch_id = ? GROUP BY state", (batch_id,))
        return {CardState(state): count for state, count in found}

    def count(self, program: str, batch_ids: Collection[bytes] | None = None) -> Counts:
        """Count a program's cards, or those of some of its batches, by state and usage."""
        if batch_ids is None:
            return counted(self._table.execute(_COUNT.format("program = ?"), (program,)))
        found: Counter[tuple[CardState, Usage]] = Counter()
        for batch_id in set(batch_ids):
            # A unary plus keeps SQLite to the index of batches.
            of_batch = _COUNT.format("batch_id = ? AND +program = ?")
            found.update(counted(self._table.execute(of_batch, (batch_id, program))))
        return found

    def _few(self, batch_id: bytes, limit: int) -> bool:
        """Return whether reading the whole batch and sorting it beats looking for its cards in order of id.

        The first reads each card of the batch, the second about as many as lie between its next
        ``limit`` cards.
        """
        highest = self._table.execute(
            "SELECT max(batch_position) FROM card WHERE batch_id = ?", (batch_id,)
        ).fetchone()[0]
        count = 1 if highest is None else int(highest) + 1
        return count * count <= limit * self._table.last_rowid()
