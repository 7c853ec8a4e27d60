"""Freezes and blocks that come while codes are being judged, and what a look through holds costs."""

import asyncio
from pathlib import Path

import pytest

from tests.service.desk import Desk
from tests.service.reissue import reissue
from tests.service.wrapped import InterruptedStore
from tests.workshop import PRINCIPAL, Workshop, workshop
from vault.errors import PermissionDenied
from vault.model.states import CardState, Detail, IncidentScope
from vault.service.holds import ChosenIds
from vault.service.issuing.issue import CardPlan
from vault.stores.postgres import Address
from vault.stores.protocol import Store

ACTIVE = CardPlan(state=CardState.ACTIVE)


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_freeze_or_block_between_look_up_and_answer_is_obeyed(
    tmp_path: Path, shop_address: Address | None, blocks: bool
) -> None:
    interrupted: list[InterruptedStore] = []

    def wrap(store: Store) -> Store:
        interrupted.append(InterruptedStore(store))
        return interrupted[0]

    async with workshop(tmp_path, wrap=wrap, address=shop_address) as made:
        await made.program()
        desk = Desk(made)
        issued = (await made.issue(plan=ACTIVE)).codes[0]
        incident = await desk.over([issued.card_id])
        if blocks:
            call = desk.call("BlockPrincipal")
            interrupted[0].between = [lambda: desk.blocks.block(call, "", PRINCIPAL, None, "it leaks")]
            with pytest.raises(PermissionDenied):
                await made.judge(issued.code.expose())
        else:
            interrupted[0].between = [lambda: desk.freeze(incident)]
            (judgement,) = await made.judge(issued.code.expose())
            assert judgement.detail == Detail.FROZEN


async def test_no_answer_that_begins_after_a_freeze_is_good_in_any_process(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(4, plan=ACTIVE)).codes
    codes = [code.code.expose() for code in issued]
    incident = await desk.over([code.card_id for code in issued])
    stop = asyncio.Event()
    freeze, wrong, answers = 0, 0, 0  # which freeze is in force, 0 while none is
    processes = [shop.restarted(), shop.restarted(), shop]
    round_of_answers = len(processes) * len(codes)

    async def go_on_asking(process: Workshop, code: bytes) -> None:
        nonlocal wrong, answers
        while not stop.is_set():
            begun_under = freeze
            (judgement,) = await process.judge(code)
            answers += 1
            wrong += begun_under == freeze != 0 and judgement.detail != Detail.FROZEN

    async def more_are_answered(rounds: int) -> None:
        wanted = answers + rounds * round_of_answers
        async with asyncio.timeout(60):
            while answers < wanted:  # noqa: ASYNC110  those who ask tell nobody
                await asyncio.sleep(0.002)

    async with asyncio.TaskGroup() as group:
        for process in processes:
            for code in codes:
                group.create_task(go_on_asking(process, code))
        for number in range(1, 6):
            await more_are_answered(1)
            await desk.freeze(incident)
            freeze = number
            await more_are_answered(3)
            freeze = 0
            await desk.thaw(incident)
        stop.set()
    assert wrong == 0


async def test_every_code_costs_one_look_through_holds_whatever_it_is(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(3, plan=ACTIVE)).codes
    unsold = (await shop.issue()).codes[0].code.expose()
    held, good, old = (code.code.expose() for code in issued)
    await reissue(shop, issued[2].card_id)
    await desk.freeze(await desk.over([issued[0].card_id]))
    looks: list[bytes] = []
    inside = ChosenIds.__contains__

    def counted(self: ChosenIds, wanted: bytes) -> bool:
        looks.append(wanted)
        return inside(self, wanted)

    monkeypatch.setattr(ChosenIds, "__contains__", counted)
    wrong = good[:-1] + bytes([48 + (good[-1] - 47) % 10])
    details = []
    for code in (held, good, old, unsold, wrong):
        before = len(looks)
        details += [judgement.detail for judgement in await shop.judge(code)]
        assert len(looks) == before + 1
    assert details == [Detail.FROZEN, Detail.GOOD, Detail.SUPERSEDED, Detail.INACTIVE, Detail.CHECK_DIGIT]


async def test_a_program_without_holds_costs_no_search(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    await desk.freeze(await desk.open(IncidentScope.PROGRAM, program="other"))
    code = (await shop.issue(plan=ACTIVE)).codes[0].code.expose()
    monkeypatch.delattr(ChosenIds, "__contains__")
    assert [judgement.detail for judgement in await shop.judge(code)] == [Detail.GOOD]
