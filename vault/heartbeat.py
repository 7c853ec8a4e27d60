"""The heartbeat of a process under the supervisor: sent by its event loop, and only while its store works.

1. A beat a second. A blocked event loop, a stopped process or one that never gets Python's lock sends none.
2. Each way to the store (a thread and a queue of its own) is tried every few seconds by a piece of work that does
   nothing. One that has not answered for ``patience_seconds`` makes the beat say that the process is stuck; a
   refusal is an answer.
3. A process is not called stuck while ``excused`` says that it waits for another one, nor for ``patience_seconds``
   after: when the other lets go, this one has yet to do what it waited to do.

It does not notice a thread that serves no store, nor a single call that waits for ever.
"""

import asyncio
import contextlib
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
    ) -> None:
        """Set it up; ``run`` beats.

        Args:
            ways: By name, what tries one way to the store.
            patience_seconds: How long each may take.
            excused: Asked when one takes longer; whether that is another process's fault.
            tell: Called with each beat and what is stuck, empty if nothing is.
        """
        self._ways = ways
        self._patience_seconds = patience_seconds
        self._excused = excused
        self._tell = tell
        self._tried: dict[str, float] = {}

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
        now = asyncio.get_running_loop().time()
        for name, since in self._tried.items():
            if now - since > self._patience_seconds:
                if not self._excused():
                    return f"its {name} has not answered for {now - since:.0f} s"
                self._tried[name] = now
        return ""

    async def _keep_trying(self, name: str) -> None:
        while True:
            self._tried[name] = asyncio.get_running_loop().time()
            with contextlib.suppress(VaultError):  # a refusal is an answer too
                await self._ways[name]()
            del self._tried[name]
            await asyncio.sleep(min(_TRY_SECONDS, self._patience_seconds / 2))
