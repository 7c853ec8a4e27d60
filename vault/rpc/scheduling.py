"""How the system schedules a worker: for quick answers while calls are few, for throughput once they are many.

Of the processor time of a small call, gRPC's threads spend much on waking each other: the one that reads a connection
wakes the one that polls, and that the event loop, for each of the four things that happen to a call. A thread under
SCHED_BATCH that is woken does not push aside the one that runs (sched(7)), so it finds several things to do once it
has its turn. Measured with 64 calls in flight on two processors: 3 instead of 6 switches to the event loop a call, and
465 instead of 590 µs of processor time on SQLite, 490 instead of 530 on PostgreSQL.

1. From ``BUSY_RATE`` calls a second on, every thread of the process is put under SCHED_BATCH; below ``CALM_RATE`` all
   are as before. Between the two nothing changes.
2. A process has the same share of the processors under both. A woken thread may wait until the next tick of the clock
   (1 to 4 ms) where other work keeps all of them busy, so this is not done while calls are few. Beside other busy
   programs it loses (measured: a tenth of the rate); a vault's machine should be its own.
3. Where the system does not let a process choose, everything stays as it is.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

LOOK_SECONDS = 0.5
BUSY_RATE = 500.0
CALM_RATE = 350.0

_THREADS = Path("/proc/self/task")


class Scheduling:
    """Chooses how this process's threads are scheduled."""

    def __init__(self) -> None:
        """Begin as the process is."""
        self.busy = False

    def tell(self, rate: float) -> None:
        """Choose for a rate of calls a second."""
        busy = rate >= (CALM_RATE if self.busy else BUSY_RATE)
        if busy != self.busy:
            self.busy = busy
            _put_all(os.SCHED_BATCH if busy else os.SCHED_OTHER)

    async def watch(self, taken: Callable[[], int]) -> None:
        """Look for ever at how many calls come; ``taken`` tells how many came since the process began.

        When it is cancelled, all is put back.
        """
        clock = asyncio.get_running_loop().time
        before, last = taken(), clock()
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                count, now = taken(), clock()
                self.tell((count - before) / (now - last))
                before, last = count, now
        finally:
            self.tell(0.0)


def _put_all(policy: int) -> None:
    """Put every thread of this process under a policy; those that they start later inherit it."""
    for thread in _THREADS.iterdir():
        try:
            os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))
        except ProcessLookupError:
            continue  # it has ended meanwhile
        except OSError:
            return  # the system does not let us choose
