"""How a worker's threads are scheduled while calls are few and many."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.rpc import scheduling
from vault.rpc.scheduling import BUSY_RATE, CALM_RATE, Scheduling


def _policies() -> set[int]:
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # one of an earlier test's that has just ended
            found.add(os.sched_getscheduler(int(thread.name)))
    return found


@pytest.fixture
def chosen() -> Iterator[Scheduling]:
    """What chooses, with another thread in the process; afterwards all is as before."""
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    made = Scheduling()
    made.busy = True  # whatever an earlier test has left
    made.tell(0.0)
    yield made
    made.tell(0.0)
    end.set()
    other.join()


def test_every_thread_works_for_throughput_while_calls_are_many(chosen: Scheduling) -> None:
    seen = []
    for rate in (BUSY_RATE - 1, BUSY_RATE, CALM_RATE, CALM_RATE - 1, CALM_RATE):
        chosen.tell(rate)
        seen.append(_policies())
    assert seen == [{os.SCHED_OTHER}, {os.SCHED_BATCH}, {os.SCHED_BATCH}, {os.SCHED_OTHER}, {os.SCHED_OTHER}]


async def test_the_rate_is_that_of_the_calls_that_come(chosen: Scheduling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "LOOK_SECONDS", 0.01)
    taken = 0
    watching = asyncio.create_task(chosen.watch(lambda: taken))
    try:
        for step, busy in ((100_000, True), (0, False), (100_000, True)):
            async with asyncio.timeout(120):
                while chosen.busy is not busy:
                    taken += step
                    await asyncio.sleep(0.005)
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
    assert _policies() == {os.SCHED_OTHER}, "all is put back at the end"
