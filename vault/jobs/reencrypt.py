"""Re-encryption: every record of a program under a new data key, and that under a new key-encryption key.

1. What was sealed is opened and sealed anew at the same place: new data key, new ciphertext; both are replaced
   together, or neither.
2. A data key that opens nothing stored (a package's, kept until the package is acknowledged) is wrapped anew only: the
   package that the recipient may hold in part must stay the same.
3. Each wrapping is counted against the new key's bound (NIST SP 800-38D, section 8.3).

The phases and the proof are ``drain``'s. The old ciphertext is in the backups that were made before.
"""

from collections.abc import Sequence
from typing import Any, Final

from vault.crypto.envelope import open_many, seal_many
from vault.crypto.primitives import Random
from vault.jobs.drain import Moved, Tray, kept
from vault.jobs.rewrap import Rewrap
from vault.model.states import KeyPurpose
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.rotation.naming import BLOBS, Blob

LARGE_ROWS: Final = 256
"""Rows at once of a table whose records may be large: 16 MiB."""


class Reencrypt:
    """Seals records anew."""

    purpose = KeyPurpose.WRAPPING
    trays = tuple(
        Tray(blob.shape, blob.columns, most=LARGE_ROWS)
        if blob.shape.table == "card"
        else Tray(blob.shape, blob.columns)
        for blob in BLOBS
    )

    def __init__(self, budget: WrapBudget, random: Random) -> None:
        self._budget = budget
        self._random = random
        self._rewrap = Rewrap(budget, random)

    async def reserve(self, program: str, count: int) -> int:
        """Reserve wrappings, and return how many rows may be moved."""
        return await self._rewrap.reserve(program, count)

    def move(self, snapshot: Snapshot, table: int, rows: Sequence[Any]) -> Moved:
        """Seal the records of rows anew.

        Raises:
            Unavailable: STALE: what was reserved is used up.
        """
        blob, program = BLOBS[table], rows[0].program
        if not blob.sealed:
            return self._rewrap.move(snapshot, table, rows)
        self._budget.spend(snapshot, program, len(rows))
        opened = _open(snapshot, blob, program, rows)
        good = [row for row, plaintext in zip(rows, opened, strict=True) if plaintext is not None]
        plaintexts = [plaintext for plaintext in opened if plaintext is not None]
        places = [blob.place(row) for row in good]
        wrapping_key = snapshot.keyring.active_wrapping_key(program)
        made = iter(seal_many(plaintexts, places, wrapping_key, self._random))
        # As the tray has them: the wrapped key, then the record.
        values = [None if plaintext is None else next(made)[::-1] for plaintext in opened]
        return kept(blob.shape, rows, values, "SEALED")


def _open(snapshot: Snapshot, blob: Blob, program: str, rows: Sequence[Any]) -> list[bytes | None]:
    """Return the rows' records; None for one that does not open. What is not there at all (NULL) does not either."""
    blobs = [(getattr(row, blob.sealed) or b"", getattr(row, blob.wrapped) or b"") for row in rows]
    return open_many(blobs, [blob.place(row) for row in rows], snapshot.keyring.wrapping_keys(program))
