"""SIGKILL of the process that works a job, at one call to the store after the other, for every kind of job."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.jobs import keymoves, mortal
from tests.service.orders import create
from tests.service.wholeness import check_moved, check_whole
from tests.workshop import Workshop
from vault.model.states import BatchState, CardState, Detail, JobKind, JobState, Unsold
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import ReissueOrder
from vault.service.rotation.naming import MOVED_BY
from vault.stores.postgres import Address

Begin = Callable[[Workshop], Awaitable[object]]
PLAN = CardPlan("a card", b"a record", state=CardState.ACTIVE)


async def _reissue(shop: Workshop) -> None:
    await create(shop, ReissueOrder(unsold=Unsold.WITHDRAW))


async def _issue_batch(shop: Workshop) -> None:
    await shop.batch(60)


async def _close_batch(shop: Workshop) -> None:
    view = await shop.issued_batch(60)
    call = shop.call(request_id=uuid4())
    await shop.batches.withdraw(call, "netcash", view.row.batch_id, etag="", validate_only=False)


def _move(kind: JobKind) -> Begin:
    return lambda shop: keymoves.begin(shop, kind)


BEGIN: dict[JobKind, Begin] = {
    JobKind.ISSUE_BATCH: _issue_batch,
    JobKind.CLOSE_BATCH: _close_batch,
    JobKind.REISSUE: _reissue,
    **{kind: _move(kind) for kind in MOVED_BY},
}


def test_no_kind_of_job_is_left_out() -> None:
    assert set(BEGIN) == set(JobKind)


class Vault:
    """A vault with a job to be worked at, and what is true of its codes."""

    def __init__(self, shop: Workshop) -> None:
        self.shop = shop
        self.sold: list[bytes] = []
        self.superseded: list[bytes] = []
        self.unsold: list[bytes] = []

    async def fill(self) -> None:
        """Make cards that are sold, some with a second code, and some that are not."""
        await self.shop.program()
        issued = (await self.shop.issue(36, plan=PLAN)).codes
        self.sold = [code.code.expose() for code in issued]
        for place in range(3):
            self.superseded.append(self.sold[place])
            self.sold[place] = await keymoves.reissue(self.shop, "netcash", issued[place].card_id)
        self.unsold = [code.code.expose() for code in (await self.shop.issue(12)).codes]

    def left_behind(self) -> None:
        """Let the lease of whoever was killed run out at once, to save the seconds."""
        for row in self.shop.database.rows("job", state=JobState.RUNNING):
            self.shop.database.put("job", row["rowid"], lease_until_ms=0)

    async def check(self, kind: JobKind) -> None:
        """Check the answers of a process that was there all the time, with the job half done."""
        codes = [*self.sold, *self.superseded, *self.unsold]
        details = [judgement.detail for judgement in await self.shop.judge(*codes)]
        reissued = {Detail.SUPERSEDED} if kind == JobKind.REISSUE else set()
        sold, unsold = len(self.sold), len(self.unsold)
        assert set(details[:sold]) <= {Detail.GOOD} | reissued
        assert set(details[sold:-unsold]) == {Detail.SUPERSEDED}
        withdrawn = {Detail.CLOSED} if kind == JobKind.REISSUE else set()
        assert set(details[-unsold:]) <= {Detail.INACTIVE} | withdrawn

    async def check_done(self, kind: JobKind) -> None:
        """Check that the job did everything, and everything once."""
        codes = await check_whole(self.shop)
        every = {code for generations in codes.values() for code in generations}
        assert every >= {*self.sold, *self.superseded, *self.unsold}
        database = self.shop.database
        if kind == JobKind.REISSUE:
            assert len(database.rows("reissue")) == 36
            assert {len(codes[row["card_id"]]) for row in database.rows("card", state=CardState.ACTIVE)} == {2, 3}
            assert sum(map(len, codes.values())) == 2 * 36 + 3 + 12
        else:
            assert sum(map(len, codes.values())) == 36 + 3 + 12 + (60 if kind in (1, 2) else 0)
        if kind in MOVED_BY:
            await check_moved(self.shop, kind)
        for batch in database.rows("batch"):
            assert batch["state"] == (BatchState.READY if kind == JobKind.ISSUE_BATCH else BatchState.WITHDRAWN)


@pytest.fixture
async def vault(shop: Workshop) -> Vault:
    made = Vault(shop)
    await made.fill()
    return made


@pytest.mark.parametrize("kind", list(JobKind))
async def test_each_process_dies_some_calls_to_the_store_later_and_the_last_one_ends_the_job(
    vault: Vault, tmp_path: Path, shop_address: Address | None, kind: JobKind, request: pytest.FixtureRequest
) -> None:
    later = 1 if request.config.getoption("--long") else 2 if shop_address is None else 6
    await BEGIN[kind](vault.shop)
    deaths = 0
    while await asyncio.to_thread(mortal.killed, mortal.begin(tmp_path, shop_address, 1 + deaths * later)):
        deaths += 1
        vault.left_behind()
        if deaths % 5 == 0:
            await vault.check(kind)
    assert deaths >= 7
    await vault.check_done(kind)
