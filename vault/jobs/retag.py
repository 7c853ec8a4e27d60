"""Re-tagging: every row of the vault that has a row tag gets one under a new row tag key.

A row is tagged anew only after its old tag was verified; so a row that was forged or edited stays refused, is counted
and named, and gets no tag that would make it good.

The phases and the proof are ``drain``'s.
"""

from collections.abc import Sequence
from typing import Any

from vault.jobs.drain import Moved, Tray, kept
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.service.rotation.naming import NAMES


class Retag:
    """Tags rows anew."""

    purpose = KeyPurpose.ROW_TAG
    trays = tuple(Tray(name.shape, (name.column,)) for name in NAMES if name.purpose == KeyPurpose.ROW_TAG)

    async def reserve(self, program: str, count: int) -> int:  # noqa: ARG002  a tag costs nothing that counts
        """Return how many rows may be moved: as many as asked."""
        return count

    def move(self, snapshot: Snapshot, table: int, rows: Sequence[Any]) -> Moved:
        """Tag rows anew."""
        shape, tagger = self.trays[table].shape, snapshot.tagger
        holds = tagger.holds_many(shape, rows)
        values = [(tagger.tag(shape, row),) if held else None for row, held in zip(rows, holds, strict=True)]
        return kept(shape, rows, values, "ROW_TAG")
