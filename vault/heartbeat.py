"""The heartbeat of a process under the supervisor: sent by its event loop, and only while its store works.

1. A beat a second. A blocked event loop, a stopped process or one that never gets Python's lock sends none.
2. Each way to the store (a thread and a queue of its own) is tried every few seconds by a piece of work that does
   nothing. One that has not answered for ``patience_seconds`` makes the beat say that the process is stuck; a
   refusal is an answer.
3. A beat at which ``excused`` says that it is another process's fault does not count: who has waited long for another
   still has its time when that lets go, and who hangs while others come and go is told of a little later.

It does not notice a thread that serves no store, nor a single call that waits for ever.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from vault.child import report_alive
from vault.errors import VaultError

BEAT_SECONDS = 1.0
_TRY_SECONDS = 5.0

Try = Callable[[], Awaitable[Any]]


class Heartbeat:
    """Beats for one process."""

    def __init__(
        self,
        ways: Mapping[str, Try],
        *,
        patience_seconds: float,
        excused: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = report_alive,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set it up; ``run`` beats.

        Args:
            ways: By name, what tries one way to the store.
            patience_seconds: How long each may take.
            excused: Asked when one takes longer than a beat; whether that is another process's fault just now.
            tell: Called with each beat and what is stuck, empty if nothing is.
            seconds: A clock that only moves forward.
        """
        self._ways = ways
        self._patience_seconds = patience_seconds
        self._excused = excused
        self._tell = tell
        self._seconds = seconds
        self._beat_at = seconds()
        self._tried: dict[str, float] = {}
        """When each way was tried that has not answered; later, by the beats that were excused since."""

    async def run(self) -> None:
        """Beat until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name in self._ways:
                group.create_task(self._keep_trying(name))
            while True:
                self._tell(self.stuck())
                await asyncio.sleep(BEAT_SECONDS)

    def stuck(self) -> str:
        """Return which way to the store does not answer, in words for the log; empty if all do."""
        now = self._seconds()
        beat, self._beat_at = now - self._beat_at, now
        late = {name: since for name, since in self._tried.items() if now - since > BEAT_SECONDS}
        if late and self._excused():
            self._tried.update({name: min(now, since + beat) for name, since in late.items()})
            return ""
        for name, since in late.items():
            if now - since > self._patience_seconds:
                return f"its {name} has not answered for {now - since:.0f} s"
        return ""

    async def _keep_trying(self, name: str) -> None:
        while True:
            self._tried[name] = self._seconds()
            with contextlib.suppress(VaultError):  # a refusal is an answer too
                await self._ways[name]()
            del self._tried[name]
            await asyncio.sleep(min(_TRY_SECONDS, self._patience_seconds / 2))
