"""Triage: the cards that an incident is over, counted by state and usage.

The counts are those of one snapshot, taken outside of every lock: cards that change or are issued meanwhile may
be counted as they were. Reading them goes through every card of the program, the batches or the selection.
"""

from collections.abc import Sequence

from vault.model.states import IncidentScope
from vault.service.holds import split_ids
from vault.stores.incidents import Counts
from vault.stores.protocol import Store


class Triage:
    """Counts cards."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def count(self, program: str, scope: int, batch_ids: bytes, selection_id: bytes) -> Counts:
        """Count the cards of a program, of batches (their ids one after the other) or of a selection.

        Raises:
            Unavailable: The store cannot be read now.
        """
        if scope == IncidentScope.CARDS:
            return await self._store.read(lambda tx: tx.selections.count_cards(selection_id))
        batches: Sequence[bytes] | None = split_ids(batch_ids) if scope == IncidentScope.BATCHES else None
        return await self._store.read(lambda tx: tx.cards.count(program, batches))
