"""Codes and serials that are taken already: made again, until every card has its own."""

import os
from pathlib import Path

import pytest

from tests.service.invariants import check_invariants
from tests.service.orders import reissued
from tests.workshop import Workshop, workshop
from vault.codes.format import CodeFormat
from vault.errors import FailedPrecondition, Unavailable
from vault.model.states import CheckAlgorithm

HUNDRED = CodeFormat(8, CheckAlgorithm.LUHN, "12345")
"""A format of a hundred codes."""


class Repeating:
    """Random bytes, except that draws of some sizes repeat the same byte a few times before they are random."""

    def __init__(self, times: int, sizes: set[int]) -> None:
        self._times = times
        self._sizes = sizes

    def __call__(self, size: int) -> bytes:
        if self._times and size in self._sizes:
            self._times -= 1
            return bytes(size)
        return os.urandom(size)


async def test_half_of_all_codes_of_a_tiny_format_are_issued_without_one_twice(shop: Workshop) -> None:
    await shop.program(code_format=HUNDRED, max_guess_odds=0.5)
    codes = [code.code.expose() for count in (20, 25, 5) for code in (await shop.issue(count)).codes]
    assert len(set(codes)) == 50
    assert await check_invariants(shop) == 50
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue(1)
    assert refused.value.metadata == {"remaining": "0"}


async def test_half_of_all_codes_of_a_tiny_format_are_issued_as_a_batch(shop: Workshop) -> None:
    await shop.program(code_format=HUNDRED, max_guess_odds=0.5)
    view = await shop.issued_batch(50)
    package = await shop.package(view.row.batch_id)
    assert len({entry.code for entry in shop.entries(package.data)}) == 50
    assert await check_invariants(shop) == 50


async def test_a_tiny_format_is_reissued_until_nearly_every_code_was_used_without_one_twice(shop: Workshop) -> None:
    await shop.program(code_format=HUNDRED, max_guess_odds=0.5)
    await shop.issue(30)
    before = (await shop.programs.get(shop.call(), "netcash")).odds
    for _ in range(2):
        assert (await reissued(shop)).row.done_count == 30
    assert len({row["digest"] for row in shop.database.rows("code")}) == 90
    assert (await shop.programs.get(shop.call(), "netcash")).odds == before
    assert await check_invariants(shop) == 30


async def test_what_was_issued_is_not_drawn_again_by_a_reissue(tmp_path: Path) -> None:
    for sizes in ({186}, {42, 146}):
        random = Repeating(8, sizes)
        folder = tmp_path / str(len(sizes))
        folder.mkdir()
        async with workshop(folder, random=random) as shop:
            await shop.program()
            await shop.issue(10)
            assert (await reissued(shop)).row.done_count == 10
            assert len({row["digest"] for row in shop.database.rows("code")}) == 20
            assert await check_invariants(shop) == 10
            assert not random._times


async def test_a_program_whose_free_codes_are_not_found_says_so_and_writes_nothing(tmp_path: Path) -> None:
    async with workshop(tmp_path, random=Repeating(1000, {47})) as shop:
        await shop.program()
        await shop.issue()
        with pytest.raises(Unavailable) as refused:
            await shop.issue()
        assert refused.value.reason == "CODES_EXHAUSTED"
        assert await check_invariants(shop) == 1


# The sizes are those of the draws for one card, and for ten.


@pytest.mark.parametrize("sizes", [{47}, {33, 43}], ids=["codes", "serials"])
async def test_what_one_call_drew_is_not_given_to_the_next(tmp_path: Path, sizes: set[int]) -> None:
    random = Repeating(8, sizes)
    async with workshop(tmp_path, random=random) as shop:
        await shop.program()
        issued = [code for _ in range(3) for code in (await shop.issue()).codes]
        assert len({code.code.expose() for code in issued}) == len({code.serial for code in issued}) == 3
        assert await check_invariants(shop) == 3
        assert not random._times


@pytest.mark.parametrize("sizes", [{186}, {42, 146}], ids=["codes", "serials"])
async def test_what_is_drawn_twice_within_a_call_is_drawn_again(tmp_path: Path, sizes: set[int]) -> None:
    random = Repeating(4, sizes)
    async with workshop(tmp_path, random=random) as shop:
        await shop.program()
        codes = (await shop.issue(10)).codes
        assert len({code.code.expose() for code in codes}) == len({code.serial for code in codes}) == 10
        assert await check_invariants(shop) == 10
        assert not random._times
