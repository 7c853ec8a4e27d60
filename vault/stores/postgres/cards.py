"""Cards."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from vault.model.rows import CardRow
from vault.model.states import CardState, Usage
from vault.stores.incidents import Counts, counted
from vault.stores.postgres.session import Session
from vault.stores.postgres.table import Table, any_of

_ONE_OR_ANOTHER = """
    WHERE program = %b AND card_id = coalesce(
        (SELECT there.card_id FROM card AS there WHERE there.program = %b AND there.card_id = %b), %b
    )
"""
_COUNT = "SELECT state, usage, count(*) FROM card WHERE program = %b {} GROUP BY state, usage"


class PostgresCards:
    """Cards."""

    def __init__(self, session: Session) -> None:
        self._table = Table(session, CardRow)
        self._another: dict[str, bytes] = {}  # the id of a card that was found before, by program

    def get(self, program: str, card_ids: Collection[bytes]) -> dict[bytes, CardRow]:
        """Return the cards with these ids, as the snapshot has them; ids without a card are left out.

        For one id that has no card another card's row is read and dropped, as with codes.
        """
        if not card_ids:
            return {}
        another = self._another.get(program)
        if len(card_ids) == 1 and another is not None:
            (card_id,) = card_ids
            rows = self._table.rows(_ONE_OR_ANOTHER, (program, program, card_id, another))
            found = {row.card_id: row for row in rows if row.card_id == card_id}
        else:
            rows = self._table.rows("WHERE program = %b AND card_id = ANY(%b)", (program, any_of(bytes, card_ids)))
            found = {row.card_id: row for row in rows}
        if found:
            self._another[program] = next(iter(found))
        return found

    def insert(self, rows: Sequence[CardRow]) -> None:
        """Write new cards; raise ``AlreadyExists`` if an id is taken."""
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
        tail = "WHERE program = %b AND card_id > %b"
        values: list[Any] = [program, after]
        for column, value in (("batch_id", batch_id), ("state", state), ("usage", usage)):
            if value is not None:
                tail += f" AND {column} = %b"
                values.append(value)
        return self._table.rows(f"{tail} ORDER BY card_id LIMIT %b", [*values, limit])

    def in_batch(self, batch_id: bytes, position: int, limit: int) -> list[CardRow]:
        """Return up to ``limit`` cards of a batch from a position on, by position."""
        return self._table.rows(
            "WHERE batch_id = %b AND batch_position >= %b ORDER BY batch_position LIMIT %b",
            (batch_id, position, limit),
        )

    def count_by_state(self, batch_id: bytes) -> Mapping[CardState, int]:
        """Count a batch's cards by state; states without cards are left out."""
        counting = "SELECT state, count(*) FROM card WHERE batch_id = %b GROUP BY state"
        found = self._table.run(counting, (batch_id,))
        return {CardState(state): count for state, count in found.fetchall()}

    def count(self, program: str, batch_ids: Collection[bytes] | None = None) -> Counts:
        """Count a program's cards, or those of some of its batches, by state and usage."""
        if batch_ids is None:
            return counted(self._table.run(_COUNT.format(""), (program,)).fetchall())
        if not batch_ids:
            return {}
        of_batches = _COUNT.format("AND batch_id = ANY(%b)")
        return counted(self._table.run(of_batches, (program, any_of(bytes, batch_ids))).fetchall())
