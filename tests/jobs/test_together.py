"""A re-issue, a re-key, a batch's issuance and single issues at the same time, while codes are validated."""

import asyncio
from uuid import uuid4

import pytest

from tests.jobs.roomy import make_boxes_roomy
from tests.service.invariants import check_invariants
from tests.service.orders import create
from tests.workshop import Workshop
from vault.jobs import runner
from vault.model.states import CardState, Detail, JobKind, JobState
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import RotationOrder
from vault.service.select import Selector

SOLD = CardPlan(state=CardState.ACTIVE)


async def test_nothing_is_unknown_doubled_or_lost_while_all_kinds_of_job_run(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FIRST_CHUNK", 5)
    monkeypatch.setattr(runner, "LARGEST_CHUNK", 5)
    make_boxes_roomy(monkeypatch)
    await shop.program()
    codes = [code.code.expose() for code in (await shop.issue(60, plan=SOLD)).codes]
    view = await shop.batch(60)
    await create(shop, rest_ms=2)
    order = RotationOrder(JobKind.REKEY, "netcash", rest_ms=2)
    await shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)
    stop = asyncio.Event()
    lanes = [asyncio.create_task(each.runner().run(stop)) for each in (shop, shop, shop.restarted())]
    fresh: list[bytes] = []
    async with asyncio.timeout(240):
        while shop.database.rows("job", state=JobState.RUNNING):
            judged = await shop.judge(*codes, *fresh)
            assert {judgement.detail for judgement in judged} <= {Detail.GOOD, Detail.SUPERSEDED}
            fresh += [code.code.expose() for code in (await shop.issue(1, plan=SOLD)).codes]
    stop.set()
    await asyncio.gather(*lanes)
    jobs = shop.database.rows("job")
    assert {(job["state"], job["error_count"], job["last_error"]) for job in jobs} == {(JobState.DONE, 0, "")}
    assert {row["index_version"] for row in shop.database.rows("code")} == {2}
    judged = await shop.judge(*codes, *fresh)
    assert {judgement.detail for judgement in judged[:60]} == {Detail.SUPERSEDED}
    for judgement in judged[60:]:
        assert judgement.detail in (Detail.GOOD, Detail.SUPERSEDED)
    for card in shop.database.rows("card", state=CardState.ACTIVE)[:60]:
        call = shop.call(request_id=uuid4())
        revealed = await shop.reveal.reveal(call, "netcash", Selector(card["card_id"]), Delivery(), "")
        (judgement,) = await shop.judge(revealed.codes[0].code.expose())
        assert judgement.detail == Detail.GOOD
    assert (await shop.batches.get(shop.call(), "netcash", view.row.batch_id)).issued == 60
    assert await check_invariants(shop) == 120 + len(fresh)
