"""The job process."""

import asyncio
import signal

from vault import log
from vault.child import report_hopeless, report_ready, watch_supervisor
from vault.config import Config
from vault.errors import Unavailable, VaultError
from vault.hardening import harden
from vault.jobs.chunk import Kind
from vault.jobs.close_batch import CloseBatch
from vault.jobs.issue_batch import IssueBatch
from vault.jobs.runner import Runner
from vault.jobs.sweep import Sweeper
from vault.model.states import JobKind
from vault.wiring.parts import Parts, assemble, clock_ms, open_custody, open_store

LANES = 4
"""Jobs worked at the same time."""

_log = log.get(__name__)
_KILL_SECONDS = 5.0


def run(config: Config) -> int:
    """Work jobs until told to stop, and return the exit status."""
    harden()
    log.configure(config.log.level)
    watch_supervisor(config.server.drain_seconds + _KILL_SECONDS)
    try:
        asyncio.run(_work(config))
    except Unavailable as error:
        _log.error("cannot_work", problem=error.message, reason=error.reason)
        return 1
    except VaultError as error:
        _log.error("cannot_work", problem=error.message, reason=error.reason)
        return report_hopeless(error.message)
    return 0


def kinds(parts: Parts) -> dict[JobKind, Kind]:
    """Return who does each kind of job."""
    return {
        JobKind.ISSUE_BATCH: IssueBatch(parts.recorder, parts.preparation, parts.issuer),
        JobKind.CLOSE_BATCH: CloseBatch(parts.slot),
    }


async def _work(config: Config) -> None:
    custody = open_custody(config)
    store = open_store(config)
    try:
        parts = await assemble(config, store, custody)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        sweeper = Sweeper(store, clock_ms, config.limits.request_hours)
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(Runner(parts.recorder, kinds(parts), parts.random).run(stop))
            group.create_task(sweeper.run(stop))
            report_ready()
    finally:
        await store.close()
