"""Saying that a worker holds more memory than it needs, so that a new one takes its place and that is given back.

A burst leaves memory behind that its process cannot give back: gRPC keeps a handle for each connection that was open
at once, for ever, and each keeps a page or two of the C library's heaps (10,000 connections that came and went left 80
MB, and the next 10,000 no more; 2026-11-23). Memory that leaks, in a library that is not ours, looks the same.

A worker has grown when it is above a bound while few files and connections are open, ``LOOKS`` times in a row. One that
is large because many callers are connected is left alone: its successor would be as large.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from vault.child import report_grown
from vault.rpc.memory import resident_bytes

LOOK_SECONDS = 10.0
"""How often to look: every other time that memory is given back (``rpc.memory``)."""
LOOKS = 6
FEW_FILES = 200
"""A worker that serves nobody has some 40 open."""
_MIB = 1024 * 1024
_FILES = Path("/proc/self/fd")


class Growth:
    """What was seen of a process."""

    def __init__(self, most_mib: int) -> None:
        """Judge by a bound in MiB; 0 for none."""
        self._most_mib = most_mib
        self._looks = 0

    def look(self, mib: int, files: int) -> int:
        """Return how much memory a process keeps in vain, in MiB, 0 if it does not; to be asked time and again.

        Args:
            mib: Its resident memory.
            files: How many files and connections it has open.
        """
        large = 0 < self._most_mib < mib and files < FEW_FILES
        self._looks = self._looks + 1 if large else 0
        return mib if self._looks >= LOOKS else 0


@contextlib.asynccontextmanager
async def told_growth(most_mib: int) -> AsyncIterator[None]:
    """Tell the supervisor while this process keeps more than ``most_mib`` MiB in vain; 0 for never."""
    task = asyncio.create_task(_tell(Growth(most_mib)))
    try:
        yield
    finally:
        task.cancel()


async def _tell(growth: Growth) -> None:
    told = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        grown = growth.look(resident_bytes() // _MIB, _open_files())
        if grown or told:
            report_grown(grown)
        told = grown


def _open_files() -> int:
    """Return how many files this process has open; many where the system does not tell."""
    try:
        return len(list(_FILES.iterdir()))
    except OSError:
        return FEW_FILES
