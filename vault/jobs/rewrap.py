"""Rewrapping: every data key of a program under a new key-encryption key.

1. The data keys are the same before and after, and what they open is not touched; a data key that does not open under
   an older key-encryption key is left as it is, never replaced.
2. Each wrapping is counted against the new key's bound (NIST SP 800-38D, section 8.3).

The phases and the proof are ``drain``'s.
"""

from collections.abc import Sequence
from typing import Any

from vault.crypto.envelope import rewrap_many
from vault.crypto.primitives import Random
from vault.jobs.drain import Moved, Tray, kept
from vault.model.states import KeyPurpose
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.rotation.naming import BLOBS


class Rewrap:
    """Wraps data keys anew."""

    purpose = KeyPurpose.WRAPPING
    trays = tuple(Tray(blob.shape, (blob.wrapped,)) for blob in BLOBS)

    def __init__(self, budget: WrapBudget, random: Random) -> None:
        self._budget = budget
        self._random = random

    async def reserve(self, program: str, count: int) -> int:
        """Reserve wrappings, and return how many rows may be moved."""
        count = min(count, self._budget.bound)
        await self._budget.reserve(program, count)
        return count

    def move(self, snapshot: Snapshot, table: int, rows: Sequence[Any]) -> Moved:
        """Wrap the data keys of rows anew.

        Raises:
            Unavailable: STALE: what was reserved is used up.
        """
        blob, program = BLOBS[table], rows[0].program
        self._budget.spend(snapshot, program, len(rows))
        made = rewrap_many(
            [getattr(row, blob.wrapped) for row in rows],
            [blob.place(row) for row in rows],
            snapshot.keyring.wrapping_keys(program),
            snapshot.keyring.active_wrapping_key(program),
            self._random,
        )
        return kept(blob.shape, rows, [None if new is None else (new,) for new in made], "SEALED")
