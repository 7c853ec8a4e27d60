"""Jobs that move rows from key to key, with issuing, re-issuing and validating going on at every chunk."""

import asyncio
from collections import Counter

import pytest

from tests.jobs.keymoves import begin, data_keys, everything, move, plaintexts, reissue
from tests.jobs.roomy import make_chunks_small
from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.jobs.chunk import Kind, Step
from vault.model.rows import JobRow
from vault.model.states import CardState, Detail, JobKind, KeyPurpose
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.naming import count_rows
from vault.service.select import Selector
from vault.wiring.job_process import kinds

MOVES = [JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT, JobKind.RETAG]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    make_chunks_small(monkeypatch, 12, 12)


class Traffic:
    """What goes on between any two steps of a job, by two processes; every answer is compared with what is true."""

    def __init__(self, shop: Workshop, good: list[bytes], superseded: list[bytes]) -> None:
        self.others = [shop.restarted(), shop.restarted()]
        self.good = good
        self.superseded = superseded
        self.cards: list[bytes] = []
        self.rounds = 0

    async def go(self) -> None:
        """Validate all codes, issue a card, and give an earlier one a new code; each time by the other process."""
        one, other = self.others = self.others[::-1]
        plan = CardPlan(payload=b"payload", state=CardState.ACTIVE)
        (issued,) = (await one.issue(1, plan=plan)).codes
        self.good.append(issued.code.expose())
        self.cards.append(issued.card_id)
        if self.rounds % 2:
            card_id = self.cards[self.rounds // 2]
            revealed = await other.reveal.reveal(other.call(), "netcash", Selector(card_id), Delivery(), "test")
            code = revealed.codes[0].code.expose()
            self.good[self.good.index(code)] = await reissue(one, "netcash", card_id)
            self.superseded.append(code)
            await one.records.put(one.call(), "netcash", Selector(card_id), b"payload", "")
        await self.check(other)
        self.rounds += 1

    async def check(self, shop: Workshop) -> None:
        """Check that every code is what it must be."""
        for codes, wanted in ((self.good, Detail.GOOD), (self.superseded, Detail.SUPERSEDED)):
            details = Counter(judgement.detail for judgement in await shop.judge(*codes))
            assert details == {wanted: len(codes)}


def interrupt(shop: Workshop, kind: JobKind, traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the traffic go before each chunk is prepared, and again before it is written."""
    made = kinds(shop.parts)
    inner: Kind = made[kind]

    class Interrupted:
        box_seconds = inner.box_seconds

        async def prepare(self, job: JobRow, limit: int) -> Step:
            await traffic.go()
            step = await inner.prepare(job, limit)
            if traffic.rounds % 5 == 0:
                await traffic.go()
            return step

    made[kind] = Interrupted()
    monkeypatch.setattr("tests.workshop.kinds", lambda parts: made)


@pytest.mark.parametrize("kind", MOVES)
async def test_no_answer_is_wrong_while_rows_move_and_none_is_forgotten(
    shop: Workshop, kind: JobKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, superseded = await everything(shop)
    traffic = Traffic(shop, good, superseded)
    interrupt(shop, kind, traffic, monkeypatch)
    job = await move(shop, kind)
    assert traffic.rounds > 10
    assert (job["error_count"], job["last_error"]) == (0, "")
    for vault in (shop, shop.restarted()):
        await traffic.check(vault)
    await check_no_row_is_left(shop, kind)
    assert await data_keys(shop)
    assert await plaintexts(shop)
    codes = shop.database.rows("code", program="netcash")
    assert (
        len({(row["card_id"], row["generation"]) for row in codes}) == len(codes) == len({r["digest"] for r in codes})
    )
    opened = [
        plain for place, plain in (await plaintexts(shop)).items() if place[:3] == ("code", "sealed_code", "netcash")
    ]
    assert len(set(opened)) == len(opened) == len(codes)


async def check_no_row_is_left(shop: Workshop, kind: JobKind) -> None:
    purposes = {JobKind.REKEY: KeyPurpose.INDEX, JobKind.RETAG: KeyPurpose.ROW_TAG}
    purpose = purposes.get(kind, KeyPurpose.WRAPPING)
    program = "" if kind == JobKind.RETAG else "netcash"
    named = await shop.store.read(lambda tx: count_rows(tx, purpose, program, 1))
    assert not any(named.values())


async def test_several_jobs_move_rows_at_once(shop: Workshop) -> None:
    good, superseded = await everything(shop)
    for kind, program in ((JobKind.REKEY, "netcash"), (JobKind.REENCRYPT, "other"), (JobKind.RETAG, "")):
        await begin(shop, kind, program)
    await shop.batch(60)
    traffic = Traffic(shop, good, superseded)
    working = [asyncio.create_task(vault.work_all()) for vault in (shop, shop.restarted(), shop.restarted())]
    while not all(task.done() for task in working):
        await traffic.go()
    await asyncio.gather(*working)
    await traffic.check(shop.restarted())
    assert not any((await shop.store.read(lambda tx: count_rows(tx, KeyPurpose.INDEX, "netcash", 1))).values())
    assert not any((await shop.store.read(lambda tx: count_rows(tx, KeyPurpose.ROW_TAG, "", 1))).values())


@pytest.mark.parametrize("kind", MOVES)
async def test_a_lane_that_dies_after_any_chunk_leaves_the_rest_to_another(shop: Workshop, kind: JobKind) -> None:
    good, superseded = await everything(shop)
    keys = await data_keys(shop)
    job_id = await begin(shop, kind)
    killed = 0
    while (job := shop.database.rows("job", job_id=job_id)[0])["finished_ms"] is None:
        lane = asyncio.create_task(shop.restarted().runner().run(asyncio.Event()))
        while not lane.done():
            now = shop.database.rows("job", job_id=job_id)[0]
            if now["cursor"] != job["cursor"] or now["finished_ms"] is not None:
                lane.cancel()
            await asyncio.sleep(0)
            if lane.cancelling():
                break
        await asyncio.gather(lane, return_exceptions=True)
        for row in shop.database.rows("job", job_id=job_id):
            shop.database.put("job", row["rowid"], lease_until_ms=0)
        killed += 1
    assert killed > 5
    assert job["error_count"] == 0
    assert (await data_keys(shop) == keys) == (kind != JobKind.REENCRYPT)
    await check_no_row_is_left(shop, kind)
    traffic = Traffic(shop, good, superseded)
    await traffic.check(shop.restarted())
    await check_invariants(shop)
