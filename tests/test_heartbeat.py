"""A heartbeat over a real lane's thread."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from vault.errors import Unavailable
from vault.heartbeat import Heartbeat
from vault.stores.lane import Lane, Piece


class Way:
    """A lane that can be made to stand still, as a deadlocked thread does."""

    def __init__(self) -> None:
        self.moves = threading.Event()
        self.moves.set()
        self.served = 0
        self._lane = Lane("way", self._serve, lambda: None)

    async def try_it(self) -> object:
        return await self._lane.submit(lambda _: None)

    async def close(self) -> None:
        self.moves.set()
        await self._lane.close()

    def _serve(self, group: list[Piece], _lane: Lane) -> None:
        self.moves.wait()
        self.served += 1


@asynccontextmanager
async def beating(way: Way, *, excused: bool = False, patience: float = 600.0) -> AsyncIterator[list[str]]:
    said: list[str] = []
    heartbeat = Heartbeat({"writer": way.try_it}, patience_seconds=patience, excused=lambda: excused, tell=said.append)
    task = asyncio.create_task(heartbeat.run())
    try:
        yield said
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await way.close()


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.heartbeat.BEAT_SECONDS", 0.02)


async def until(said: list[str], wanted: str) -> None:
    async with asyncio.timeout(120):
        while not any(wanted in each for each in said):  # noqa: ASYNC110  the beat is what is waited for
            await asyncio.sleep(0.01)


async def enough(said: list[str]) -> None:
    async with asyncio.timeout(120):
        while len(said) < 5:  # noqa: ASYNC110  the beats are what is waited for
            await asyncio.sleep(0.01)


async def test_it_beats_at_once_and_again_and_again_while_the_store_answers() -> None:
    way = Way()
    async with beating(way) as said:
        await enough(said)
        async with asyncio.timeout(120):
            while not way.served:  # noqa: ASYNC110  the lane's thread tells nobody
                await asyncio.sleep(0.01)
    assert set(said) == {""}


async def test_a_thread_that_stands_still_is_told_of_until_it_moves_again() -> None:
    way = Way()
    async with beating(way, patience=0.5) as said:
        way.moves.clear()
        await until(said, "its writer has not answered for ")
        way.moves.set()
        async with asyncio.timeout(120):
            while said[-3:] != [""] * 3:  # noqa: ASYNC110  the beats are what is waited for
                await asyncio.sleep(0.01)


async def test_who_waits_for_another_process_is_not_called_stuck() -> None:
    way = Way()
    way.moves.clear()
    async with beating(way, excused=True, patience=0.05) as said:
        await enough(said)
    assert set(said) == {""}


PATIENCE = 45


def told_at(excuses: Iterable[bool]) -> int:
    """Return the second at which a way that never answers is called stuck, with a beat a second."""
    clock = [0]
    given = iter(excuses)
    heartbeat = Heartbeat({}, patience_seconds=PATIENCE, excused=lambda: next(given), seconds=lambda: clock[0])
    heartbeat._tried["writer"] = 0
    while not heartbeat.stuck():
        clock[0] += 1
        assert clock[0] < 500
    return clock[0]


def test_who_has_waited_for_another_process_still_has_its_time_when_that_lets_go() -> None:
    assert told_at(itertools.repeat(object=False)) == PATIENCE + 1
    waited = 100
    assert waited + PATIENCE - 2 < told_at([True] * waited + [False] * 200) <= waited + PATIENCE + 2


def test_who_hangs_while_others_come_and_go_is_told_of() -> None:
    assert told_at(itertools.cycle([True, False])) <= 2 * PATIENCE + 2


async def test_a_store_that_refuses_answers() -> None:
    said: list[str] = []

    async def refuse() -> None:
        raise Unavailable("the disk is full")

    heartbeat = Heartbeat({"writer": refuse}, patience_seconds=600, tell=said.append)
    task = asyncio.create_task(heartbeat.run())
    await enough(said)
    assert not task.done()
    task.cancel()
    assert set(said) == {""}
