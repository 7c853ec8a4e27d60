"""The job process."""

import asyncio
import signal
import sys

from vault import log
from vault.child import report_hopeless, report_ready, watch_supervisor
from vault.config import Config
from vault.errors import Unavailable, VaultError
from vault.hardening import harden
from vault.jobs.chunk import Kind
from vault.jobs.close_batch import CloseBatch
from vault.jobs.drain import Drain
from vault.jobs.gauges import Gauges
from vault.jobs.issue_batch import IssueBatch
from vault.jobs.reencrypt import Reencrypt
from vault.jobs.reissue import ReissueCards
from vault.jobs.rekey import Rekey
from vault.jobs.retag import Retag
from vault.jobs.rewrap import Rewrap
from vault.jobs.runner import Pace, Runner
from vault.jobs.sweep import Sweeper
from vault.model.states import JobKind
from vault.service.issuing.newcode import CodeMaker
from vault.service.rotation.destruction import Destruction
from vault.service.rotation.promotion import Promotion
from vault.service.rotation.reissue import Reissuer
from vault.wiring.beating import beating
from vault.wiring.garbage import spare_collections
from vault.wiring.parts import Parts, assemble, clock_ms, open_custody, open_store
from vault.wiring.vitals import start_metrics, told_vitals

LANES = 4
"""Jobs worked at the same time."""

PACES = {"sqlite": Pace(0.025, 0.5, 0.5), "postgres": Pace(0.05, 2.0, 0.25)}
"""How long chunks take on each kind of store, by measurements with two processors (2026-11-24).

SQLite's writers queue, so a validation waits for a chunk's rest. Alone, with chunks of 25 instead of 10 ms, re-issue
and re-key do some 15 in a hundred more, since rows share pages and commits. Beside 300 validations a second, on a
machine where their p99 was 10 ms with nobody else, it was 55 ms without a pace, 29 to 31 ms with chunks of 7.5 ms and
a rest of half of that, and 23 to 27 ms with chunks of 5 ms, which re-issued 4,300 to 5,300 instead of 6,200 cards/s
(once, when the machine was slow, 2,400 with a p99 of 38 ms); shorter chunks and longer rests made the re-issue slower
and their p99 no better. On a machine twice as fast chunks of 5 ms re-issued 11,300 to 12,500 cards/s, and their p99 was
19 to 21 ms (30 ms in a run with 15 ms beforehand).

PostgreSQL's writers do not queue, but share its log and the processors. Alone, of 12, 50, 100 and 200 ms, 50 re-issued
1.5 times what 12 did. Beside 300 validations a second, a re-issue of 81,105 cards by 50 ms without a rest took 10 s and
their p99 was 32 ms; by 20 ms with a rest of a quarter 17 s and 22 to 26 ms; by 7.5 ms with a rest of half 21 to 32 s
and 16 to 22 ms.
"""

CACHE_MIB = 8
"""Page cache for what this process writes to SQLite, in MiB.

With 64 its memory doubled from 10,000 to 1,000,000 cards; with 8 no job over 110,000 was slower (2026-11-23): what is
not cached here the system has.
"""

GROUP_PIECES = 1
"""What writes to SQLite here gets a commit of its own: chunks are large, and sharing one takes memory."""

SWITCH_SECONDS = 0.0005
"""How long a thread that makes rows ahead (``vault.jobs.ahead``) keeps Python's lock from the thread that writes.

Python's own 5 ms were waited out after each round trip to PostgreSQL: 45 to 65 ms for a chunk of 50 codes, that took
16 to 29 ms so.
"""

_log = log.get(__name__)
_KILL_SECONDS = 5.0


def run(config: Config) -> int:
    """Work jobs until told to stop, and return the exit status."""
    harden()
    log.configure(config.log.level)
    start_metrics()
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
    """Return who does each kind of job, for one lane."""
    promotion = Promotion(parts.recorder, parts.keys)
    return {
        JobKind.ISSUE_BATCH: IssueBatch(parts.recorder, parts.preparation, parts.issuer),
        JobKind.CLOSE_BATCH: CloseBatch(parts.slot),
        JobKind.REISSUE: ReissueCards(
            parts.recorder, parts.budget, Reissuer(CodeMaker(parts.budget, parts.random)), parts.slot
        ),
        JobKind.REKEY: Rekey(parts.recorder, promotion),
        JobKind.REWRAP: Drain(parts.recorder, promotion, Rewrap(parts.budget, parts.random)),
        JobKind.REENCRYPT: Drain(parts.recorder, promotion, Reencrypt(parts.budget, parts.random)),
        JobKind.RETAG: Drain(parts.recorder, promotion, Retag()),
    }


async def _work(config: Config) -> None:
    custody = open_custody(config)
    sys.setswitchinterval(SWITCH_SECONDS)
    store = open_store(config, CACHE_MIB, GROUP_PIECES)
    try:
        parts = await assemble(config, store, custody)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await _finish_destruction(parts)
        sweeper = Sweeper(store, clock_ms, config.limits.request_hours)
        async with beating(config, store), asyncio.TaskGroup() as group:
            for _ in range(LANES):
                runner = Runner(
                    parts.recorder,
                    kinds(parts),
                    parts.random,
                    pace=PACES[config.store.kind],
                )
                group.create_task(runner.run(stop))
            group.create_task(sweeper.run(stop))
            group.create_task(Gauges(parts.recorder, custody, parts.budget.bound).run(stop))
            spare_collections()
            report_ready()
            async with told_vitals(parts.recorder):
                await stop.wait()
    finally:
        await store.close()


async def _finish_destruction(parts: Parts) -> None:
    """Destroy the root keys that a killed destruction has left; what cannot be done now does not hold jobs up."""
    try:
        for version in await Destruction(parts.recorder, parts.keys, parts.custody).finish():
            _log.info("root_key_destroyed", version=version)
    except VaultError as error:
        _log.error("root_key_not_destroyed", problem=error.message, reason=error.reason)
