"""Sweeping answered requests."""

import asyncio
from uuid import uuid4

import pytest

from tests.contracts.samples import submission
from tests.workshop import Workshop
from vault.jobs import sweep
from vault.jobs.sweep import Sweeper


async def test_requests_are_kept_for_their_time_and_swept_after_it(shop: Workshop) -> None:
    await shop.program()
    old = shop.call(request_id=uuid4())
    first = await shop.issue(call=old)
    shop.clock.advance(3600)
    await shop.issue()
    sweeper = Sweeper(shop.store, shop.clock, 1)
    stop = asyncio.Event()
    assert await sweeper.sweep(stop) == 0
    shop.clock.advance(0.001)
    assert await sweeper.sweep(stop) == 1
    assert shop.database.count("request") == 1
    again = await shop.issue(call=old)
    assert again.codes[0].card_id != first.codes[0].card_id


async def test_nonces_are_kept_until_their_submissions_are_long_refused(shop: Workshop) -> None:
    old, young = submission(b"a" * 16, shop.clock() - sweep.SUBMISSION_MS - 1), submission(b"b" * 16, shop.clock())
    await shop.store.transact(lambda tx: tx.submissions.claim([old, young]))
    sweeper = Sweeper(shop.store, shop.clock, 24)
    assert await sweeper.sweep(asyncio.Event()) == 1
    assert [row["nonce"] for row in shop.database.rows("submission")] == [young.nonce]


async def test_a_sweep_goes_on_piece_by_piece_until_it_is_stopped(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PIECE", 2)
    await shop.program()
    for _ in range(7):
        await shop.issue()
    shop.clock.advance(7200)
    stop = asyncio.Event()
    sweeper = Sweeper(shop.store, shop.clock, 1)
    assert await sweeper.sweep(stop) == 7
    await shop.issue()
    stop.set()
    assert await sweeper.sweep(stop) == 0


async def test_the_sweeper_goes_on_after_a_failure_and_stops_when_told(shop: Workshop) -> None:
    await shop.program()
    stop = asyncio.Event()
    await shop.store.close()
    running = asyncio.create_task(Sweeper(shop.store, shop.clock, 1).run(stop))
    await asyncio.sleep(0.01)
    stop.set()
    await asyncio.wait_for(running, 60)
