"""How large chunks become: they fit their box by what the work in them takes, whatever the disk takes."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.contracts.faults import FaultyStore
from tests.workshop import Workshop, workshop
from vault.jobs import runner
from vault.jobs.chunk import Chunk, Kind, Step
from vault.jobs.runner import Pace, Runner
from vault.model.rows import JobRow
from vault.model.states import JobKind, JobState
from vault.service.recorder import Scope
from vault.stores.protocol import Store, Transaction
from vault.wiring.job_process import kinds

T = TypeVar("T")

SECONDS_PER_CARD = 0.001
CARDS = 3000
PACE = Pace(crowded_of=0.75, rest_of=0.5)


class _Seconds:
    """A clock that only work and disks move."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class _Paced:
    """A kind of job whose chunks take so long for each card, and so long to prepare."""

    def __init__(self, kind: Kind, seconds: _Seconds, box_seconds: float, prepare_seconds: float) -> None:
        self.box_seconds = box_seconds
        self._kind = kind
        self._seconds = seconds
        self._prepare_seconds = prepare_seconds

    async def prepare(self, job: JobRow, limit: int) -> Step:
        step = await self._kind.prepare(job, limit)
        self._seconds.now += self._prepare_seconds

        def paced(scope: Scope) -> Chunk:
            chunk = step(scope)
            self._seconds.now += len(chunk.items) * SECONDS_PER_CARD
            return chunk

        return paced


class _SlowDisk(FaultyStore):
    """A store whose commits take a quarter of a second."""

    def __init__(self, inner: Store, seconds: _Seconds) -> None:
        super().__init__(inner)
        self._seconds = seconds

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        result = await super().transact(work)
        self._seconds.now += 0.25
        return result


async def _sizes(
    shop: Workshop,
    seconds: _Seconds,
    box_seconds: float,
    pace: Pace = PACE,
    prepare_seconds: float = 0.0,
) -> list[int]:
    await shop.program()
    await shop.batch(CARDS)
    paced = {kind: _Paced(worker, seconds, box_seconds, prepare_seconds) for kind, worker in kinds(shop.parts).items()}
    working = Runner(shop.recorder, paced, shop.parts.random, seconds, pace)
    stop = asyncio.Event()
    lane = asyncio.create_task(working.run(stop))
    async with asyncio.timeout(120):
        while shop.database.rows("job", state=JobState.RUNNING):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await lane
    return [len(event.items) for event in await shop.all_events() if event.action == f"job/{JobKind.ISSUE_BATCH.name}"]


async def test_chunks_become_as_large_as_their_box(shop: Workshop) -> None:
    assert max(await _sizes(shop, _Seconds(), 0.2)) == 200


async def test_a_slow_disk_does_not_make_chunks_small(tmp_path: Path) -> None:
    seconds = _Seconds()
    async with workshop(tmp_path, wrap=lambda store: _SlowDisk(store, seconds)) as shop:
        sizes = await _sizes(shop, seconds, 0.2)
    assert max(sizes) == 200
    assert min(sizes[2:-1]) > 190


async def test_where_nobody_else_writes_boxes_are_larger(shop: Workshop) -> None:
    assert max(await _sizes(shop, _Seconds(), 0.2, PACE._replace(alone_seconds=0.4))) == 400


async def test_boxes_are_larger_only_until_others_write_too(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = itertools.count()

    async def crowded() -> bool:
        return next(chunks) > 4

    monkeypatch.setattr(shop.recorder.store, "crowded", crowded)
    sizes = await _sizes(shop, _Seconds(), 0.1, PACE._replace(alone_seconds=0.4))
    assert max(sizes) > 200
    assert max(sizes[7:]) == round(100 * PACE.crowded_of)


async def _rests(shop: Workshop, monkeypatch: pytest.MonkeyPatch, prepare_seconds: float) -> list[float]:
    """Return what a lane rests after its chunks beside others who write, as parts of the chunks' own time."""
    rested: list[float] = []

    async def rest(_stop: asyncio.Event, seconds: float) -> None:
        rested.append(seconds)
        await asyncio.sleep(0)

    async def crowded() -> bool:
        return True

    monkeypatch.setattr(runner, "rest", rest)
    monkeypatch.setattr(shop.recorder.store, "crowded", crowded)
    sizes = await _sizes(shop, _Seconds(), 0.1, prepare_seconds=prepare_seconds)
    assert len(sizes) > 4
    gave_way = [seconds for seconds in rested if seconds != runner.IDLE_SECONDS]
    took = [size * SECONDS_PER_CARD for size in sizes[:-1]]
    return [way / chunk for way, chunk in zip(gave_way, took[len(took) - len(gave_way) :], strict=True)]


async def test_a_lane_gives_way_to_others_who_write(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    rests = await _rests(shop, monkeypatch, 0.0)
    assert len(rests) > 3
    assert rests == pytest.approx([PACE.rest_of] * len(rests))


async def test_the_time_of_preparing_the_next_chunk_is_others_too(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests = await _rests(shop, monkeypatch, 0.01)
    assert len(rests) > 3
    assert max(rests) < PACE.rest_of
    assert rests[-1] == pytest.approx(PACE.rest_of - 0.01 / (0.1 * PACE.crowded_of), rel=0.02)


async def test_a_lane_does_not_rest_that_prepares_for_long(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await _rests(shop, monkeypatch, 0.1) == []
