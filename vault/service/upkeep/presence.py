"""Saying so when processes over one database go by different access files.

1. Every process takes down, every 10 s, that it serves and the SHA-256 of its access file.
2. One that is seen to be alive, and to go by another file for longer than a change takes to reach all, is told
   in the log as ``access_files_differ`` with both digests, once; ``access_files_agree`` when that is over.

Alive is who was seen anew between two looks, so no clocks are compared, and what a killed process left is no
false alarm. It only tells: each process decides by its own file.
"""

import asyncio
from collections.abc import Callable

from vault import log
from vault.errors import VaultError
from vault.model.rows import ProcessRow
from vault.stores.protocol import Store, Transaction

BEAT_SECONDS = 10.0
LOOKS = 2
"""Looks in a row at which another process must differ before it is told: what one look sees may be a beat old."""

FORGET_SECONDS = 600.0

_log = log.get(__name__)


class Presence:
    """One process's entry among those that serve from a store."""

    def __init__(self, store: Store, process_id: bytes, access_sha256: Callable[[], bytes]) -> None:
        """Nothing is written yet.

        Args:
            store: The store.
            process_id: 16 random bytes of this process's own.
            access_sha256: Returns the SHA-256 of the access file in force.
        """
        self._store = store
        self._process_id = process_id
        self._access_sha256 = access_sha256
        self._before: dict[bytes, ProcessRow] = {}
        self._ours = b""
        self._looks: dict[bytes, int] = {}
        self._told: frozenset[bytes] = frozenset()

    async def run(self, seconds: float = BEAT_SECONDS) -> None:
        """Take down and look, again and again; runs until it is cancelled."""
        while True:
            try:
                await self.beat()
            except VaultError as error:
                _log.warning("presence_not_recorded", problem=error.message, reason=error.reason)
            await asyncio.sleep(seconds)

    async def beat(self) -> None:
        """Take down that this process serves, and look who else does.

        Raises:
            Unavailable: The store cannot be written now.
        """
        ours = self._access_sha256()

        def work(tx: Transaction) -> list[ProcessRow]:
            tx.processes.see(self._process_id, ours)
            return tx.processes.all()

        rows = {row.process_id: row for row in await self._store.transact(work)}
        before, self._before = self._before, rows
        # Who was seen anew since the last look, and goes by another file than this process, unchanged on both sides.
        differing = {
            process_id: self._looks.get(process_id, 0) + 1
            for process_id, row in rows.items()
            if process_id in before
            and row.seen_ms > before[process_id].seen_ms
            and ours != row.access_sha256 == before[process_id].access_sha256
        }
        settled, self._ours = ours == self._ours, ours
        self._looks = differing if settled else {}
        theirs = frozenset(rows[found].access_sha256 for found, looks in self._looks.items() if looks >= LOOKS)
        if theirs - self._told:
            _log.warning("access_files_differ", ours=ours.hex(), theirs=sorted(digest.hex() for digest in theirs))
        elif self._told and not theirs:
            _log.info("access_files_agree", sha256=ours.hex())
        self._told = theirs

    async def leave(self) -> None:
        """Strike this process out, and those that have not been seen for ten minutes.

        Raises:
            Unavailable: The store cannot be written now.
        """
        await self._store.transact(lambda tx: tx.processes.forget(self._process_id, FORGET_SECONDS))
