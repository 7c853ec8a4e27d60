"""Re-issue under trouble: lanes that die, stores that fail, cards that change meanwhile, answers at every moment."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.jobs.lanes import expire_leases, is_running, work_off
from tests.jobs.roomy import make_chunks_small
from tests.service.invariants import check_invariants
from tests.service.orders import cards_by_id, create, open_incident, reissued
from tests.workshop import Workshop, workshop
from vault.jobs import reissue, runner
from vault.jobs.chunk import Step
from vault.model.rows import JobRow
from vault.model.states import CardState, Detail, IncidentScope, JobState, Unsold, Usage
from vault.service import rules
from vault.service.incidents.freezing import Freezing
from vault.service.incidents.selection import Selection
from vault.service.incidents.triage import Triage
from vault.service.issuing.delivery import Delivery, OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import ReissueOrder
from vault.service.select import Selector
from vault.stores.protocol import Store

SOLD = CardPlan(state=CardState.ACTIVE)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many chunks of few cards."""
    make_chunks_small(monkeypatch, 5, 5)


def _check_done(shop: Workshop, cards: int) -> None:
    """Check that each card got exactly one new code, and the job counts them."""
    (job,) = shop.database.rows("job")
    assert (job["state"], job["done_count"], job["error_count"]) == (JobState.DONE, cards, 0)
    assert {card["generation"] for card in shop.database.rows("card")} == {2}
    assert shop.database.count("reissue") == cards
    assert shop.database.count("code") == shop.database.count("serial") == 2 * cards


@asynccontextmanager
async def _lane(shop: Workshop) -> AsyncIterator[None]:
    """Run a lane until no job is left."""
    stop = asyncio.Event()
    lane = asyncio.create_task(shop.runner().run(stop))
    yield
    async with asyncio.timeout(120):
        while is_running(shop):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.01)
    stop.set()
    await lane


async def _new_codes(shop: Workshop) -> list[OpenedCode]:
    """Reveal every card's current code."""
    opened: list[OpenedCode] = []
    for card_id in cards_by_id(shop):
        call = shop.call(request_id=uuid4())
        opened += (await shop.reveal.reveal(call, "netcash", Selector(card_id), Delivery(), "")).codes
    return opened


async def test_a_lane_that_dies_between_chunks_leaves_its_job_to_another(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(100, plan=SOLD)
    await create(shop)
    for killed in range(4):
        lane = asyncio.create_task(shop.runner().run(asyncio.Event()))
        while shop.database.count("reissue") < 20 * (killed + 1):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0)
        lane.cancel()
        await asyncio.gather(lane, return_exceptions=True)
        assert shop.database.count("reissue") < 100
        await check_invariants(shop)
        expire_leases(shop)
    await shop.work_all()
    _check_done(shop, 100)
    assert await check_invariants(shop) == 100


async def test_lanes_that_take_the_job_from_each_other_never_do_the_same_chunk(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(200, plan=SOLD)
    await create(shop)
    stop = asyncio.Event()
    lanes = [asyncio.create_task(each.runner().run(stop)) for each in (shop, shop.restarted(), shop)]
    async with asyncio.timeout(120):
        while is_running(shop):
            done = shop.database.count("reissue")
            expire_leases(shop)
            while is_running(shop) and shop.database.count("reissue") == done:  # noqa: ASYNC110  a lease sees one through
                await asyncio.sleep(0.003)
    stop.set()
    await asyncio.gather(*lanes)
    _check_done(shop, 200)
    assert await check_invariants(shop) == 200


async def test_answers_are_right_at_every_moment(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(120, plan=SOLD)).codes
    await create(shop, rest_ms=50)
    rounds = 0
    async with _lane(shop):
        while is_running(shop):
            before = {row["card_id"] for row in shop.database.rows("reissue")}
            judged = await shop.judge(*(code.code.expose() for code in codes))
            after = {row["card_id"] for row in shop.database.rows("reissue")}
            for code, judgement in zip(codes, judged, strict=True):
                expected = {Detail.SUPERSEDED} if code.card_id in before else {Detail.GOOD, Detail.SUPERSEDED}
                assert judgement.detail in (expected if code.card_id in after else {Detail.GOOD})
            rounds += 1
    assert rounds > 3
    judged = await shop.judge(*(code.code.expose() for code in await _new_codes(shop)))
    assert {judgement.detail for judgement in judged} == {Detail.GOOD}
    _check_done(shop, 120)


async def test_cards_that_change_meanwhile_keep_their_changes(shop: Workshop) -> None:
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(120, plan=SOLD)).codes]
    await create(shop, rest_ms=5)
    async with _lane(shop):
        for place, card_id in enumerate(ids):
            if place % 3 == 0:
                await shop.change(rules.mark([Usage.IN_USE]), card_id)
            elif place % 3 == 1:
                await shop.change(rules.turn("suspend"), card_id)
    cards = cards_by_id(shop)
    assert [cards[card_id]["usage"] for card_id in ids[::3]] == [Usage.IN_USE] * 40
    assert [cards[card_id]["state"] for card_id in ids[1::3]] == [CardState.SUSPENDED] * 40
    _check_done(shop, 120)
    assert await check_invariants(shop) == 120


async def test_cards_that_are_sold_while_unsold_ones_are_withdrawn_get_new_codes(shop: Workshop) -> None:
    await shop.program()
    ids = sorted(code.card_id for code in (await shop.issue(90)).codes)
    await create(shop, ReissueOrder(unsold=Unsold.WITHDRAW), rest_ms=5)
    async with _lane(shop):
        for card_id in reversed(ids):
            await shop.change(rules.activate, card_id)
    states = {(card["state"], card["generation"]) for card in shop.database.rows("card")}
    assert states <= {(CardState.CLOSED, 1), (CardState.ACTIVE, 2)}
    (job,) = shop.database.rows("job")
    assert job["done_count"] == shop.database.count("reissue")
    assert await check_invariants(shop) == 90


async def test_cards_that_are_closed_or_reissued_by_others_meanwhile(shop: Workshop) -> None:
    await shop.program()
    ids = sorted(code.card_id for code in (await shop.issue(60, plan=SOLD)).codes)
    await create(shop, rest_ms=5)
    again = ReissueOrder(cards=[Selector(card_id) for card_id in ids[30:]])
    await create(shop, again)
    async with _lane(shop), _lane(shop):
        for card_id in ids[:30]:
            await shop.change(rules.turn("close"), card_id)
    generations = {card_id: card["generation"] for card_id, card in cards_by_id(shop).items()}
    assert [generations[card_id] for card_id in ids[30:]] == [3] * 30
    assert {generations[card_id] for card_id in ids[:30]} <= {1, 2}
    assert await check_invariants(shop) == 60


def _held_back(monkeypatch: pytest.MonkeyPatch, cards: int) -> asyncio.Event:
    """Have no more chunks begin once a re-issue has done so many cards, until the event is set."""
    go_on = asyncio.Event()
    prepare = reissue.ReissueCards.prepare

    async def prepared(self: reissue.ReissueCards, job: JobRow, limit: int) -> Step:
        if job.done_count >= cards:
            await go_on.wait()
        return await prepare(self, job, limit)

    monkeypatch.setattr(reissue.ReissueCards, "prepare", prepared)
    return go_on


async def test_a_freeze_and_a_thaw_in_mid_reissue_do_not_matter(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = _held_back(monkeypatch, 80)
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(100, plan=SOLD)).codes]
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=ids)
    freezing = Freezing(shop.recorder, Triage(shop.store))
    await create(shop, ReissueOrder(incident_id=incident_id), rest_ms=5)
    async with _lane(shop):
        while shop.database.count("reissue") < 20:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.002)
        call = shop.call("Freeze", request_id=uuid4())
        await freezing.freeze(call, "netcash", incident_id, stop_issuance=True, validate_only=False)
        assert shop.database.count("reissue") < 100
        frozen.set()
    _check_done(shop, 100)
    await freezing.thaw(shop.call("Thaw", request_id=uuid4()), "netcash", incident_id, validate_only=False)
    judged = await shop.judge(*(code.code.expose() for code in await _new_codes(shop)))
    assert {judgement.detail for judgement in judged} == {Detail.GOOD}
    assert await check_invariants(shop) == 100


async def test_cards_that_are_added_to_the_selection_meanwhile_are_reissued_too(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = _held_back(monkeypatch, 40)
    await shop.program()
    ids = sorted(code.card_id for code in (await shop.issue(100, plan=SOLD)).codes)
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=ids[50:])
    selection = Selection(shop.recorder)
    await create(shop, ReissueOrder(incident_id=incident_id), rest_ms=5)
    async with _lane(shop):
        while shop.database.count("reissue") < 20:  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.002)
        call = shop.call("AddToSelection", request_id=uuid4())
        await selection.add_cards(call, "netcash", incident_id, [Selector(card_id) for card_id in ids[:50]])
        assert shop.database.count("reissue") < 50
        added.set()
    _check_done(shop, 100)
    (job,) = shop.database.rows("job")
    assert job["total_count"] == 100
    assert await check_invariants(shop) == 100


async def test_a_reissue_and_a_batch_and_single_issues_run_together(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(60, plan=SOLD)
    await create(shop)
    await shop.batch(60)
    async with _lane(shop), _lane(shop):
        for _ in range(10):
            await shop.issue(3, plan=SOLD)
    assert await check_invariants(shop) == 150


async def test_few_among_many_are_found_without_a_chunk_that_grows_meanwhile(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LARGEST_CHUNK", 4000)
    monkeypatch.setattr(reissue, "LOOKED_AT", 20)
    await shop.program()
    await shop.issue(200)
    await shop.issue(10, plan=SOLD)
    job = await reissued(shop, ReissueOrder(unsold=Unsold.LEAVE))
    assert (job.row.done_count, job.progress.seen_count, job.progress.skipped_count) == (10, 210, 200)
    sizes = [len(event.items) for event in await shop.all_events() if event.action == "job/REISSUE"]
    assert sum(sizes) == 10
    assert await check_invariants(shop) == 210


@pytest.mark.parametrize("moment", list(Moment))
async def test_every_card_gets_one_new_code_whichever_call_to_the_store_fails(tmp_path: Path, moment: Moment) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    async with workshop(begun) as shop:
        await shop.program()
        await shop.issue(9, plan=SOLD)
        await shop.issue(3)
        await create(shop, ReissueOrder(unsold=Unsold.WITHDRAW))
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
            cards = shop.database.rows("card")
            assert sorted((card["state"], card["generation"]) for card in cards) == [
                *[(CardState.ACTIVE, 2)] * 9,
                *[(CardState.CLOSED, 1)] * 3,
            ]
            (job,) = shop.database.rows("job")
            assert (job["done_count"], job["error_count"]) == (9, 0)
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 20


@pytest.mark.parametrize("unsold", list(Unsold))
async def test_a_job_that_was_cut_off_after_its_last_card_still_ends(shop: Workshop, unsold: Unsold) -> None:
    await shop.program()
    await shop.issue(5)
    created = await create(shop, ReissueOrder(unsold=unsold))
    lane = shop.runner()
    job = await lane._lease()
    assert job is not None
    step = await lane._kinds[job.kind].prepare(job, 5)
    await lane._chunk(job, step, 1.0)
    assert await lane._chunk(job, step, 1.0) is None  # the same chunk again, by whoever thinks it is the lane's
    await lane._release(job)
    await shop.work_all()
    view = await shop.rotation.get(shop.call(), "netcash", created.job.row.job_id)
    assert (view.row.state, view.progress.seen_count) == (JobState.DONE, 5)
    assert await check_invariants(shop) == 5


async def test_cards_added_in_a_pause_within_a_chunk_are_reissued_too(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.program()
    first, second = [code.card_id for code in (await shop.issue(2, plan=SOLD)).codes]
    job_id = (await create(shop, ReissueOrder(cards=[Selector(first)]))).job.row.job_id
    prepare = reissue.ReissueCards.prepare
    paused: list[JobRow] = []

    async def interrupted(self: reissue.ReissueCards, job: JobRow, limit: int) -> Step:
        step = await prepare(self, job, limit)
        if not paused:
            paused.append(job)
            await shop.rotation.pause(shop.call(request_id=uuid4()), "netcash", job_id)
            await shop.rotation.add_cards(shop.call(request_id=uuid4()), "netcash", job_id, [Selector(second)])
            await shop.rotation.resume(shop.call(request_id=uuid4()), "netcash", job_id)
        return step

    monkeypatch.setattr(reissue.ReissueCards, "prepare", interrupted)
    await shop.work(lambda: bool(shop.database.rows("job", state=JobState.DONE)))
    _check_done(shop, 2)
