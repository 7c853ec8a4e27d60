"""Lanes that work a job off, whatever becomes of the one before."""

import asyncio

from tests.workshop import Workshop
from vault.model.states import JobState

SECONDS = 120.0


def is_running(shop: Workshop) -> bool:
    """Whether a job is not done."""
    return bool(shop.database.rows("job", state=JobState.RUNNING))


def expire_leases(shop: Workshop) -> None:
    """Have every lease run out now."""
    for row in shop.database.rows("job", state=JobState.RUNNING):
        if row["lease_owner"] is not None:
            shop.database.put("job", row["rowid"], lease_until_ms=0)


async def work_off(shop: Workshop) -> None:
    """Run one lane until no job is running; a lease that a failure left behind runs out early."""
    stop = asyncio.Event()
    lane = asyncio.create_task(shop.runner().run(stop))
    try:
        async with asyncio.timeout(SECONDS):
            while is_running(shop):
                await asyncio.sleep(0.005)
                expire_leases(shop)
    finally:
        stop.set()
        await asyncio.gather(lane, return_exceptions=True)
