"""Tells metrics how the vault stands: the one task of a vault that does, in its job process.

1. It reads every few seconds, without making writers wait, and changes nothing.
2. A job's rate is over what it did in the last half minute; one that rests or waits slows down to 0.
3. While the store cannot be read, what was told last stays, and ``store_reachable`` says that it is old. Whatever
   goes wrong here harms no job.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from vault import log, metrics
from vault.custody.protocol import Custody
from vault.errors import VaultError
from vault.jobs.runner import rest
from vault.model.rows import JobRow
from vault.model.states import JobKind, JobState
from vault.service.recorder import Recorder
from vault.service.upkeep.observation import Observed, observe

PAUSE_SECONDS: Final = 5.0
RATE_SECONDS: Final = 30.0
_log = log.get(__name__)


class Progress(NamedTuple):
    """What unfinished jobs of a kind do together in a second, and how long the slowest of them still takes."""

    unfinished: int = 0
    rate: float = 0.0
    seconds_left: float = 0.0


class Rates:
    """How fast jobs are, from how far they were at earlier looks."""

    def __init__(self) -> None:
        self._seen: dict[bytes, deque[tuple[float, int]]] = {}

    def look(self, jobs: list[JobRow], now: float) -> dict[JobKind, Progress]:
        """Return the progress of every kind.

        Args:
            jobs: The unfinished jobs.
            now: Seconds of a clock that only moves forward.
        """
        self._seen = {job.job_id: self._seen.get(job.job_id, deque()) for job in jobs}
        found = dict.fromkeys(JobKind, Progress())
        for job in jobs:
            rate = self._rate(job, now)
            left = max(0, job.total_count - job.done_count) / rate if rate else 0.0
            before = found[JobKind(job.kind)]
            found[JobKind(job.kind)] = Progress(
                before.unfinished + 1, before.rate + rate, max(before.seconds_left, left)
            )
        return found

    def _rate(self, job: JobRow, now: float) -> float:
        seen = self._seen[job.job_id]
        seen.append((now, job.done_count))
        while now - seen[0][0] > RATE_SECONDS:
            seen.popleft()
        began, done = seen[0]
        if job.state != JobState.RUNNING or now <= began:
            return 0.0
        return max(0, job.done_count - done) / (now - began)


class Gauges:
    """Tells how the vault stands, again and again."""

    def __init__(
        self, recorder: Recorder, custody: Custody, bound: int, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        """Read by a recorder; ``bound`` encryptions are allowed under a key-encryption key."""
        self._recorder = recorder
        self._custody = custody
        self._bound = bound
        self._seconds = seconds
        self._rates = Rates()

    async def run(self, stop: asyncio.Event) -> None:
        """Tell until ``stop`` is set."""
        while not stop.is_set():
            try:
                await self.look()
            except VaultError as error:
                _log.warning("gauges_not_read", problem=error.message, reason=error.reason)
            except Exception as error:  # noqa: BLE001  no job stops for what only tells of it
                _log.exception("gauges_not_read", error)
            await rest(stop, PAUSE_SECONDS)

    async def look(self) -> Observed:
        """Read and tell once.

        Raises:
            Unavailable: The store cannot be read now.
            IntegrityFailure: A row is not what the vault wrote.
        """
        recorder = self._recorder
        found = await recorder.store.read(lambda tx: observe(recorder.scope(tx), self._custody))
        metrics.put("guess_odds_used_ratio", found.odds_used)
        metrics.put("gcm_budget_used_ratio", max(found.wraps.values(), default=0) / self._bound)
        metrics.put("holds", found.holds)
        metrics.put("incidents_open", found.incidents)
        metrics.put("principals_blocked", found.blocks)
        metrics.put("root_copies_missing", len(found.unconfirmed_roots))
        for kind, progress in self._rates.look(found.jobs, self._seconds()).items():
            metrics.put("jobs_unfinished", progress.unfinished, kind=kind.name)
            metrics.put("job_rate", round(progress.rate, 3), kind=kind.name)
            metrics.put("job_seconds_left", round(progress.seconds_left, 1), kind=kind.name)
        return found
