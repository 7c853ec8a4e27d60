"""What is made ahead is given to whoever asks for that very thing, and to nobody else."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

import pytest

from vault.errors import Unavailable
from vault.jobs.ahead import Ahead


class Maker:
    """Makes things one by one, and knows how many were begun; a thing called "no" cannot be made."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def make(self, what: str) -> str:
        self.begun.append(what)
        await self.go_on.wait()
        if what == "no":
            raise Unavailable("not now", reason="STALE")
        return f"made {what}"

    def of(self, what: str) -> "partial[Coroutine[Any, Any, str]]":
        return partial(self.make, what)


async def test_what_was_made_ahead_is_given_once() -> None:
    maker, ahead = Maker(), Ahead[str]()
    ahead.begin("a", maker.of("first"))
    await asyncio.sleep(0)
    assert maker.begun == ["first"]
    assert await ahead.take("a", maker.of("again")) == "made first"
    assert await ahead.take("a", maker.of("again")) == "made again"


async def test_whoever_asks_for_another_thing_gets_that_and_the_one_made_ahead_is_stopped() -> None:
    maker, ahead = Maker(), Ahead[str]()
    maker.go_on.clear()
    ahead.begin("a", maker.of("first"))
    await asyncio.sleep(0)
    taking = asyncio.create_task(ahead.take("b", maker.of("other")))
    await asyncio.sleep(0)
    maker.go_on.set()
    assert await taking == "made other"
    assert await ahead.take("a", maker.of("anew")) == "made anew"
    assert len(asyncio.all_tasks()) == 1


async def test_a_thing_begun_later_takes_the_place_of_the_one_before() -> None:
    maker, ahead = Maker(), Ahead[str]()
    ahead.begin("a", maker.of("first"))
    await asyncio.sleep(0)
    ahead.begin("b", maker.of("second"))
    assert await ahead.take("b", maker.of("never")) == "made second"
    assert maker.begun == ["first", "second"]


async def test_a_failure_is_told_to_whoever_asks_and_the_next_attempt_is_made_anew() -> None:
    maker, ahead = Maker(), Ahead[str]()
    ahead.begin("a", maker.of("no"))
    await asyncio.sleep(0.01)
    with pytest.raises(Unavailable):
        await ahead.take("a", maker.of("never"))
    assert await ahead.take("a", maker.of("later")) == "made later"


async def test_a_failure_that_nobody_asks_about_is_nobodys() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    maker, ahead = Maker(), Ahead[str]()
    ahead.begin("a", maker.of("no"))
    await asyncio.sleep(0.01)
    assert await ahead.take("b", maker.of("other")) == "made other"
    del ahead
    await asyncio.sleep(0)
    assert not complaints
