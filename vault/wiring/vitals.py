"""What a process tells of itself once a second: its queue, its oldest event, its calls, its certificate."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from vault import log, metrics
from vault.errors import VaultError
from vault.service.recorder import Recorder
from vault.stores.protocol import Store, Transaction

if TYPE_CHECKING:  # the job process does without gRPC
    from vault.rpc.gate import Load

LOOK_SECONDS: Final = 1.0
STORE_SECONDS: Final = 3.0
"""How long a look into the store may take; one that takes longer is taken for none."""

_log = log.get(__name__)
_DAY: Final = dt.timedelta(days=1)


def start_metrics() -> None:
    """Have this process report from now on; one for whose files there is no room works all the same."""
    try:
        metrics.start()
    except OSError as error:
        _log.error("metrics_off", problem=f"there is no room for their files: {error.strerror}")


@asynccontextmanager
async def told_vitals(
    recorder: Recorder, load: "Callable[[], Load] | None" = None, expires: Callable[[], dt.datetime] | None = None
) -> AsyncIterator[None]:
    """Tell of this process for as long as it works.

    Args:
        recorder: What writes its events, over its store.
        load: Returns which calls are being answered; None where the process answers none, and then nobody has
            to know whether it reaches its store.
        expires: Returns when the server's certificate in force expires.
    """
    tasks = [asyncio.create_task(_tell(recorder, load, expires))]
    if load is not None:
        tasks.append(asyncio.create_task(_look(recorder.store)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(
    recorder: Recorder, load: "Callable[[], Load] | None", expires: Callable[[], dt.datetime] | None
) -> None:
    oldest, queue = metrics.bound("audit_oldest_seconds"), metrics.bound("writer_queue")
    shed = 0
    while True:
        oldest.put(round(recorder.lag.oldest_seconds(), 6))
        queue.put(recorder.store.waiting())
        if load is not None:
            now = load()
            metrics.put("calls_in_flight", now.calls + now.streams)
            metrics.put("calls_waiting", now.waiting)
            metrics.count("calls_shed", now.shed - shed)
            shed = now.shed
        if expires is not None:
            metrics.put("certificate_days_left", round((expires() - dt.datetime.now(dt.UTC)) / _DAY, 3))
        await asyncio.sleep(LOOK_SECONDS)


async def _look(store: Store) -> None:
    """Look again and again whether the store can be read."""
    reachable = metrics.bound("store_reachable")
    while True:
        answered = False
        with suppress(VaultError, TimeoutError):
            await asyncio.wait_for(store.look(_catalogue_number), STORE_SECONDS)
            answered = True
        reachable.put(answered)
        await asyncio.sleep(LOOK_SECONDS)


def _catalogue_number(tx: Transaction) -> int:
    return tx.vault.catalogue_number()
