"""How long audit events take from being handed to the store until they are durable, while callers wait.

What is waiting is known at every moment, so a store that takes nothing any more shows before anything has
failed.
"""

import time
from collections.abc import Awaitable
from typing import TypeVar

from vault import metrics

T = TypeVar("T")


class Lag:
    """Measures the writing of one process. Used on its event loop alone."""

    def __init__(self) -> None:
        self._began: dict[int, float] = {}
        self._count = 0
        self._durable = metrics.bound("audit_seconds")

    async def measured(self, writing: Awaitable[T]) -> T:
        """Wait for events to be durable, and return what was waited for; what fails is not measured."""
        self._count += 1
        number = self._count
        self._began[number] = began = time.perf_counter()
        try:
            result = await writing
        finally:
            del self._began[number]
        self._durable.add(time.perf_counter() - began)
        return result

    def oldest_seconds(self) -> float:
        """Return for how long the oldest event that is not durable yet has waited; 0 when none waits."""
        began = next(iter(self._began.values()), None)
        return 0.0 if began is None else time.perf_counter() - began
