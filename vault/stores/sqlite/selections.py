"""Cards chosen one by one."""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from vault.model.incident_rows import SelectionRow
from vault.stores.incidents import Counts, counted
from vault.stores.sqlite.claims import claim
from vault.stores.sqlite.table import Table

_COUNT = """SELECT card.state, card.usage, count(*) FROM selection
    CROSS JOIN card ON card.program = selection.program AND card.card_id = selection.card_id
    WHERE selection.selection_id = ? GROUP BY card.state, card.usage"""


class SqliteSelections:
    """Selections."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._table = Table(connection, SelectionRow)

    def claim(self, rows: Sequence[SelectionRow]) -> set[bytes]:
        """Write each row whose card is not in the selection yet, and return the card ids that were.

        A card that stands in the call twice in a selection is written once.
        """
        by_selection: defaultdict[bytes, dict[bytes, SelectionRow]] = defaultdict(dict)
        for row in rows:
            by_selection[row.selection_id][row.card_id] = row
        there: set[bytes] = set()
        for of_cards in by_selection.values():
            some = [of_cards[card_id] for card_id in sorted(of_cards)]
            there |= claim(self._table, "card_id", some, [row.card_id for row in some], "selection_id = ? AND")
        return there

    def page(self, selection_id: bytes, after: bytes, limit: int) -> list[SelectionRow]:
        """Return up to ``limit`` rows with card ids after ``after`` (empty: from the first), by card id."""
        tail = "WHERE selection_id = ? AND card_id > ? ORDER BY card_id LIMIT ?"
        return self._table.rows(tail, (selection_id, after, limit))

    def count_cards(self, selection_id: bytes) -> Counts:
        """Count the selection's cards by state and usage."""
        return counted(self._table.execute(_COUNT, (selection_id,)))
