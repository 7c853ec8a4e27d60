"""Processes that work jobs until they are killed, each forked from one that has imported everything already.

Each is a process of its own over a real store, and dies of SIGKILL just before a call to the store that is
chosen beforehand; what it was about to write, and every lock that it held, is left to the database and the system.
"""

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

import pytest

from tests.contracts.faults import FaultyStore
from tests.jobs.roomy import make_boxes_roomy
from tests.stores.patience import be_patient
from tests.workshop import workshop
from vault.jobs import runner
from vault.stores.postgres import Address

CHUNK = 4
SECONDS = 120.0


class MortalStore(FaultyStore):
    """A store whose call of a chosen number is the process's last."""

    def _reached(self) -> bool:
        if super()._reached():
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def work_jobs(folder: Path, dsn: str, die_at: int | None) -> None:
    """Work until no job is left, or be killed at a call; what a child process does."""
    vars(runner).update(FIRST_CHUNK=CHUNK, LARGEST_CHUNK=CHUNK, IDLE_SECONDS=0.002)
    patch = pytest.MonkeyPatch()
    make_boxes_roomy(patch)
    be_patient(patch)

    async def work() -> None:
        address = Address(dsn) if dsn else None
        async with workshop(folder, address=address, wrap=lambda store: MortalStore(store, die_at)) as shop:
            await shop.work_all()

    asyncio.run(work())


def nursery() -> ForkServerContext:
    """Return where such processes come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def begin(folder: Path, address: Address | None, die_at: int | None = None) -> ForkServerProcess:
    """Start a process that works the vault's jobs."""
    process = nursery().Process(target=work_jobs, args=(folder, address.dsn if address else "", die_at))
    process.start()
    return process


def killed(process: ForkServerProcess) -> bool:
    """Wait for a process's end, and return whether it was killed; it has done its work if it was not."""
    process.join(SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    ended = process.exitcode != 0
    process.close()
    return ended
