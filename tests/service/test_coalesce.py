"""Questions that come together are answered together, each gets its own answer, and few are never kept waiting."""

import asyncio
import selectors
from collections.abc import Sequence

import pytest

from vault.service.answering import coalesce
from vault.service.answering.coalesce import (
    BUSY_QUESTIONS,
    BUSY_SECONDS,
    GROUPS,
    MAX_GROUP,
    MOST_GROUPS,
    Coalescer,
)


class Answering:
    """Answers ten times the question, and keeps the groups; refuses negative ones; 999_999 fails its whole group."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, questions: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(questions))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if 999_999 in questions:
            raise RuntimeError
        return [10 * each if each >= 0 else ValueError(each) for each in questions]


class _Instant(selectors.DefaultSelector):
    """Waits for nothing, and counts for how long it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found:
            self.passed += timeout or 0.0
        return found


class _InstantLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only while nothing is left to be done, so slow machines see the same times."""

    def __init__(self) -> None:
        self._instant = _Instant()
        super().__init__(self._instant)

    def time(self) -> float:
        return self._instant.passed


@pytest.fixture
def answering() -> Answering:
    return Answering()


async def test_questions_of_one_moment_are_one_group(answering: Answering) -> None:
    coalescer: Coalescer[int, int] = Coalescer(answering)
    assert await asyncio.gather(*map(coalescer.ask, range(10))) == [10 * each for each in range(10)]
    assert answering.groups == [list(range(10))]


async def test_a_refused_question_is_alone_in_it_and_a_failed_group_is_not(answering: Answering) -> None:
    coalescer: Coalescer[int, int] = Coalescer(answering)
    answers = await asyncio.gather(*map(coalescer.ask, (1, -1, 2)), return_exceptions=True)
    assert [answers[0], type(answers[1]), answers[2]] == [10, ValueError, 20]
    failed = await asyncio.gather(*map(coalescer.ask, (1, 999_999)), return_exceptions=True)
    assert [type(each) for each in failed] == [RuntimeError, RuntimeError]
    assert await coalescer.ask(3) == 30


async def test_who_has_gone_disturbs_nobody(answering: Answering) -> None:
    coalescer: Coalescer[int, int] = Coalescer(answering)
    gone = asyncio.create_task(coalescer.ask(1))
    stays = asyncio.create_task(coalescer.ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 20


async def test_few_questions_never_wait_for_others(answering: Answering) -> None:
    coalescer: Coalescer[int, int] = Coalescer(answering)
    for number in range(2 * BUSY_QUESTIONS):
        assert await coalescer.ask(number) == 10 * number
        await asyncio.sleep(2 * BUSY_SECONDS / BUSY_QUESTIONS)
    assert answering.groups == [[number] for number in range(2 * BUSY_QUESTIONS)]
    assert coalescer._next_begin == 0.0


def test_many_questions_are_gathered_into_fewer_groups(answering: Answering, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask_after(coalescer: Coalescer[int, int], number: int) -> int:
        await asyncio.sleep(number * 0.0004)
        return await coalescer.ask(number + 100)

    async def ask_all() -> int:
        coalescer: Coalescer[int, int] = Coalescer(answering)
        before = len(answering.groups)
        answers = await asyncio.gather(*(ask_after(coalescer, number) for number in range(500)))
        assert answers == [10 * (number + 100) for number in range(500)]
        return len(answering.groups) - before

    loop = _InstantLoop()
    try:
        monkeypatch.setattr(coalesce, "BUSY_SECONDS", 3600.0)
        monkeypatch.setattr(coalesce, "GATHER_SECONDS", 0.05)
        gathered = loop.run_until_complete(ask_all())
        monkeypatch.setattr(coalesce, "BUSY_SECONDS", -1.0)
        at_once = loop.run_until_complete(ask_all())
    finally:
        loop.close()
    assert gathered < at_once / 2


async def test_groups_are_bounded_in_size_and_number(answering: Answering) -> None:
    coalescer: Coalescer[int, int] = Coalescer(answering)
    numbers = range(100, 100 + 5 * MAX_GROUP)
    assert await asyncio.gather(*map(coalescer.ask, numbers)) == [10 * number for number in numbers]
    assert max(map(len, answering.groups)) == MAX_GROUP
    assert answering.most_at_once <= GROUPS


async def test_more_groups_are_under_way_while_one_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    free = asyncio.Event()
    begun: list[list[int]] = []

    async def answer(questions: Sequence[int]) -> list[int | Exception]:
        begun.append(list(questions))
        await free.wait()
        return list(questions)

    async def ask(number: int) -> None:
        asked.append(asyncio.create_task(coalescer.ask(number)))
        for _ in range(10):
            await asyncio.sleep(0)

    coalescer: Coalescer[int, int] = Coalescer(answer)
    asked: list[asyncio.Task[int]] = []
    monkeypatch.setattr(coalesce, "LATE_SECONDS", 3600.0)
    for number in range(GROUPS + 2):
        await ask(number)
    assert begun == [[number] for number in range(GROUPS)]
    monkeypatch.setattr(coalesce, "LATE_SECONDS", -1.0)
    for number in range(GROUPS + 2, MOST_GROUPS + 20):
        await ask(number)
    assert begun[GROUPS] == [GROUPS, GROUPS + 1, GROUPS + 2], "who waited goes with the first that comes late"
    assert len(begun) == MOST_GROUPS
    free.set()
    assert sorted(await asyncio.gather(*asked)) == list(range(MOST_GROUPS + 20))
    assert coalescer._begun == {}
