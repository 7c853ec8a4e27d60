"""Deletes what is only kept for a time.

Answered requests go once no retry of theirs is promised an answer any more, the nonces of sealed submissions once their
submissions are too old to be taken.
"""

import asyncio
from collections.abc import Callable

from vault import log
from vault.errors import VaultError
from vault.jobs.runner import rest
from vault.stores.protocol import Store, Transaction

_log = log.get(__name__)

PAUSE_SECONDS = 60.0
PIECE = 500
SUBMISSION_MS = 3_600_000
"""How long nonces are kept: 12 times the age at which submissions are refused, should clocks be set back meanwhile."""


class Sweeper:
    """Sweeps once a minute, in small transactions."""

    def __init__(self, store: Store, clock_ms: Callable[[], int], request_hours: int) -> None:
        """Keep answered requests for ``request_hours``."""
        self._store = store
        self._clock_ms = clock_ms
        self._keep_ms = request_hours * 3_600_000

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until ``stop`` is set."""
        while not stop.is_set():
            try:
                await self.sweep(stop)
            except VaultError as error:
                _log.error("sweep_failed", problem=error.message, reason=error.reason)
            await rest(stop, PAUSE_SECONDS)

    async def sweep(self, stop: asyncio.Event) -> int:
        """Sweep what is there now, and return how many were deleted."""
        now_ms = self._clock_ms()
        return await self._all(stop, lambda tx: tx.requests.sweep(now_ms - self._keep_ms, PIECE)) + await self._all(
            stop, lambda tx: tx.submissions.sweep(now_ms - SUBMISSION_MS, SUBMISSION_MS, PIECE)
        )

    async def _all(self, stop: asyncio.Event, sweep: Callable[[Transaction], int]) -> int:
        """Sweep in pieces until a piece is not full, and return how many were deleted."""
        swept = 0
        while not stop.is_set():
            piece = await self._store.transact(sweep)
            swept += piece
            if piece < PIECE:
                break
        return swept
