"""Jobs under trouble: lanes that die, stores that fail, programs that stop, several lanes at once."""

import asyncio
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.jobs.lanes import expire_leases, is_running, work_off
from tests.jobs.roomy import ROOMY_SECONDS, make_chunks_small
from tests.service.invariants import check_invariants
from tests.workshop import Workshop, workshop
from vault.errors import FailedPrecondition, IntegrityFailure, Unavailable
from vault.jobs import runner
from vault.jobs.chunk import Step
from vault.jobs.issue_batch import IssueBatch
from vault.model.rows import JobRow
from vault.model.states import BatchState, JobState
from vault.stores.protocol import Store, Transaction

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many chunks of small batches."""
    make_chunks_small(monkeypatch, 10, 20)


async def test_chunks_follow_each_other_without_a_gap_and_grow_to_fit_the_box(shop: Workshop) -> None:
    await shop.program()
    await shop.issued_batch(500)
    sizes = [len(event.items) for event in await shop.all_events() if event.action == "job/ISSUE_BATCH"]
    assert sum(sizes) == 500
    assert max(sizes) <= 20
    assert await check_invariants(shop) == 500


async def test_every_card_that_is_prepared_is_written_while_chunks_change_their_size(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LARGEST_CHUNK", 4000)
    boxes = itertools.cycle([ROOMY_SECONDS, ROOMY_SECONDS, ROOMY_SECONDS, 0.0])  # chunks double, or shrink to a quarter
    monkeypatch.setattr(IssueBatch, "box_seconds", property(lambda _: next(boxes)))
    await shop.program()
    prepared = 0
    prepare = shop.parts.issuer.prepare

    def counting(*args: object) -> object:
        nonlocal prepared
        prepared += len(args[2])  # type: ignore[arg-type]
        return prepare(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(shop.parts.issuer, "prepare", counting)
    await shop.issued_batch(3000)
    assert prepared == 3000


async def test_a_lane_that_dies_between_chunks_leaves_its_job_to_another(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(300)
    for killed in range(4):
        lane = asyncio.create_task(shop.runner().run(asyncio.Event()))
        while shop.database.count("card") < 50 * (killed + 1):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0)
        lane.cancel()
        await asyncio.gather(lane, return_exceptions=True)
        before = shop.database.count("card")
        await check_invariants(shop)
        assert before < 300
        expire_leases(shop)
    await shop.work_all()
    assert await check_invariants(shop) == 300
    assert (await shop.batches.get(shop.call(), "netcash", view.row.batch_id)).row.state == BatchState.READY


async def test_a_job_under_a_lease_is_left_alone(shop: Workshop) -> None:
    await shop.program()
    await shop.batch(10)
    (job,) = shop.database.rows("job")
    shop.database.put("job", job["rowid"], lease_owner=bytes(16), lease_until_ms=1 << 60)
    stop = asyncio.Event()
    lane = asyncio.create_task(shop.runner().run(stop))
    await asyncio.sleep(0.1)
    assert shop.database.count("card") == 0
    expire_leases(shop)
    while is_running(shop):  # noqa: ASYNC110  the database tells nobody
        await asyncio.sleep(0.01)
    stop.set()
    await lane
    assert await check_invariants(shop) == 10


async def test_a_lane_keeps_its_job_however_long_a_chunk_takes_to_prepare(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LEASE_SECONDS", 0.3)
    prepare, go_on = IssueBatch.prepare, asyncio.Event()

    async def slow(self: IssueBatch, job: JobRow, limit: int) -> Step:
        await go_on.wait()
        return await prepare(self, job, limit)

    def until_ms() -> int:
        (job,) = shop.database.rows("job")
        return int(job["lease_until_ms"])

    monkeypatch.setattr(IssueBatch, "prepare", slow)
    await shop.program()
    await shop.batch(10)
    stop = asyncio.Event()
    lane = asyncio.create_task(shop.runner().run(stop))
    async with asyncio.timeout(120):
        while not (first := until_ms()):  # noqa: ASYNC110  the same
            await asyncio.sleep(0.01)
        while until_ms() < first + 1000:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
        go_on.set()
        while is_running(shop):  # noqa: ASYNC110  the same
            await asyncio.sleep(0.01)
    stop.set()
    await lane
    assert await check_invariants(shop) == 10


async def test_a_lane_whose_lease_was_taken_writes_nothing_more(shop: Workshop) -> None:
    await shop.program()
    await shop.batch(400)
    stop = asyncio.Event()
    lanes = [asyncio.create_task(shop.runner().run(stop)) for _ in range(3)]
    async with asyncio.timeout(120):
        while is_running(shop):
            done = shop.database.count("card")
            expire_leases(shop)
            while is_running(shop) and shop.database.count("card") == done:  # noqa: ASYNC110  a lease sees one through
                await asyncio.sleep(0.003)
    stop.set()
    await asyncio.gather(*lanes)
    assert await check_invariants(shop) == 400


async def test_lanes_of_several_processes_share_the_jobs(tmp_path: Path) -> None:
    async with workshop(tmp_path) as one, workshop(tmp_path) as other:
        await one.program()
        views = [await one.batch(60) for _ in range(4)]
        await asyncio.gather(one.work_all(), other.work_all())
        for view in views:
            assert (await other.batches.get(other.call(), "netcash", view.row.batch_id)).issued == 60
        assert await check_invariants(one) == 240


async def test_a_stopped_lane_gives_its_job_back_at_once(shop: Workshop) -> None:
    await shop.program()
    await shop.batch(1000)
    await shop.work(lambda: shop.database.count("card") > 0)
    (job,) = shop.database.rows("job")
    assert (job["state"], job["lease_owner"], job["lease_until_ms"]) == (JobState.RUNNING, None, 0)
    await shop.work_all()
    assert await check_invariants(shop) == 1000


async def test_a_job_waits_while_its_program_is_stopped_and_holds_no_other_up(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "WAIT_SECONDS", 0.05)
    await shop.program()
    await shop.program("other")
    stopped = await shop.batch(1000)
    await shop.work(lambda: shop.database.count("card") > 0)
    before = shop.database.count("card")
    assert before < 1000
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    other = await shop.batch(100, "other")
    await shop.work(lambda: shop.database.rows("batch", batch_id=other.row.batch_id)[0]["state"] == BatchState.READY)
    assert shop.database.count("card") == before + 100
    await shop.programs.turn(shop.call(), "netcash", "start", note="", etag="")
    await shop.work_all()
    assert (await shop.batches.get(shop.call(), "netcash", stopped.row.batch_id)).issued == 1000
    assert (await check_invariants(shop), await check_invariants(shop, "other")) == (1000, 100)


async def test_a_job_fails_for_good_when_its_program_is_closed_and_can_be_cancelled(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(1000)
    await shop.work(lambda: shop.database.count("card") > 0)
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    await shop.work_all()
    (job,) = shop.database.rows("job")
    assert (job["state"], job["error_count"], job["last_error"]) == (JobState.FAILED, 1, "PROGRAM_CLOSED")
    await check_invariants(shop)
    await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", validate_only=False)
    await shop.work_all()
    await check_invariants(shop)


async def test_a_job_that_was_cancelled_does_not_fail_as_well(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(10)
    lane = shop.runner()
    job = await lane._lease()
    assert job is not None
    await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", validate_only=False)
    await lane._fail(job, FailedPrecondition("the batch is not being issued", reason="BATCH_ENDED"))
    (issuing, closing) = shop.database.rows("job")
    assert (issuing["state"], issuing["error_count"]) == (JobState.CANCELLED, 0)
    assert closing["state"] == JobState.RUNNING
    event = (await shop.all_events())[-1]
    assert (event.status, event.reason) == ("OK", "LOST")


async def test_closing_fails_loudly_when_a_card_was_forged(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(5)
    card = shop.database.rows("card")[3]
    shop.database.put("card", card["rowid"], usage=3)
    await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", validate_only=False)
    await shop.work_all()
    job = shop.database.rows("job")[1]
    assert (job["state"], job["last_error"]) == (JobState.FAILED, "ROW_TAG")


async def test_a_forged_job_is_not_worked_and_holds_no_other_up(shop: Workshop) -> None:
    await shop.program()
    forged = await shop.batch(10)
    honest = await shop.batch(10)
    for column, value in (("kind", 77), ("total_count", 20), ("cursor", 5)):
        (job,) = shop.database.rows("job", subject=forged.row.batch_id)
        shop.database.put("job", job["rowid"], **{column: value}, lease_until_ms=0)
        await shop.work(lambda: not shop.database.rows("job", subject=honest.row.batch_id, state=JobState.RUNNING))
        shop.database.put("job", job["rowid"], **{column: job[column]})
    shop.database.put("job", job["rowid"], done_count=1)
    with pytest.raises(IntegrityFailure):
        await shop.batches.get(shop.call(), "netcash", forged.row.batch_id)
    assert shop.database.count("card") == 10


class _Down(FaultyStore):
    """A store that cannot be written while ``down``."""

    down = False

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        if self.down:
            raise Unavailable("the store is down")
        return await super().transact(work)


async def test_a_lane_outlives_a_store_that_is_down_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PATIENCE", 0)
    stores: list[_Down] = []

    def wrap(store: Store) -> Store:
        stores.append(_Down(store))
        return stores[0]

    async with workshop(tmp_path, wrap=wrap) as shop:
        await shop.program()
        await shop.batch(1000)
        stop = asyncio.Event()
        lane = asyncio.create_task(shop.runner().run(stop))
        for _ in range(2):
            before = shop.database.count("card")
            while shop.database.count("card") <= before + 20:  # noqa: ASYNC110  the database tells nobody
                await asyncio.sleep(0.001)
            stores[0].down = True
            await asyncio.sleep(0.3)
            stores[0].down = False
            expire_leases(shop)
        while is_running(shop):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
        stop.set()
        await lane
        assert await check_invariants(shop) == 1000


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_batch_is_whole_whichever_call_to_the_store_fails(tmp_path: Path, moment: Moment) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    async with workshop(begun) as shop:
        await shop.program()
        batch_id = (await shop.batch(12)).row.batch_id
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(begun, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            await work_off(shop)
            reached, stores[0].fail_at = stores[0].failed, None
            assert await check_invariants(shop) == 12
            assert (await shop.batches.get(shop.call(), "netcash", batch_id)).row.state == BatchState.READY
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 20
