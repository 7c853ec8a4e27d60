"""A batch's life: issued, exported, acknowledged, cancelled, withdrawn."""

import asyncio
from uuid import uuid4

import pytest

from tests.service.invariants import check_invariants
from tests.service.orders import reissued
from tests.workshop import START_MS, Workshop
from vault.errors import AlreadyExists, Conflict, FailedPrecondition, IntegrityFailure, InvalidInput, NotFound
from vault.model.states import BatchState, CardState, JobState
from vault.service import rules
from vault.service.issuing import export
from vault.service.issuing.batches import BatchPlan
from vault.service.issuing.delivery import Delivery
from vault.service.rotation.reissue_card import CardRequest
from vault.service.select import Selector

DRY = {"validate_only": True}
WET = {"validate_only": False}


async def test_a_batch_is_issued_by_a_job(shop: Workshop) -> None:
    await shop.program()
    plan = BatchPlan(7, "printer", "order 7", START_MS + 9000)
    view = await shop.batches.create(shop.call(), "netcash", plan, **WET)
    assert (view.row.state, view.issued, view.working) == (BatchState.ISSUING, 0, True)
    await shop.work_all()
    view = await shop.batches.get(shop.call(), "netcash", view.row.batch_id)
    assert (view.row.state, view.issued, view.working) == (BatchState.READY, 7, False)
    cards = shop.database.rows("card")
    assert sorted(card["batch_position"] for card in cards) == list(range(7))
    assert {(card["reference"], card["expires_ms"], card["state"]) for card in cards} == {
        ("order 7", START_MS + 9000, CardState.INACTIVE)
    }
    assert await check_invariants(shop) == 7


async def test_a_retried_creation_makes_one_batch(shop: Workshop) -> None:
    await shop.program()
    call, plan = shop.call(request_id=uuid4()), BatchPlan(3, "printer")
    views = await asyncio.gather(*(shop.batches.create(call, "netcash", plan, **WET) for _ in range(20)))
    assert len({view.row.batch_id for view in views}) == 1
    with pytest.raises(AlreadyExists):
        await shop.batches.create(call._replace(body=b"other"), "netcash", plan, **WET)
    assert shop.database.count("job") == 1


async def test_a_batch_that_cannot_be_issued_is_not_created(shop: Workshop) -> None:
    await shop.program()
    for plan, error in (
        (BatchPlan(1, "nobody"), NotFound),
        (BatchPlan(1, "printer", expires_ms=START_MS), InvalidInput),
        (BatchPlan(10_000_001, "printer"), FailedPrecondition),
    ):
        for how in (DRY, WET):
            with pytest.raises(error):
                await shop.batches.create(shop.call(), "netcash", plan, **how)
    assert shop.database.count("batch") == 0


async def test_a_batch_of_another_program_is_not_found(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    view = await shop.batch(1, "other")
    with pytest.raises(NotFound) as refused:
        await shop.batches.get(shop.call(), "netcash", view.row.batch_id)
    assert refused.value.reason == "BATCH_NOT_FOUND"


async def test_a_package_holds_the_batch_in_its_order(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(250)
    package = await shop.package(view.row.batch_id)
    entries = shop.entries(package.data)
    by_position = sorted(shop.database.rows("card"), key=lambda card: card["batch_position"])
    serials = {row["card_id"]: row["serial"] for row in shop.database.rows("serial")}
    assert [entry.serial for entry in entries] == [serials[card["card_id"]] for card in by_position]
    judged = await shop.judge(*(entry.code.encode() for entry in entries))
    assert [j.card.card_id for j in judged if j.card] == [card["card_id"] for card in by_position]
    assert package.manifest == (250, len(package.data), package.manifest.sha256)


async def test_the_same_package_comes_every_time_from_every_offset(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(4500)
    whole = await shop.package(view.row.batch_id)
    assert whole.size == len(whole.data) == whole.manifest.size
    assert await shop.package(view.row.batch_id) == whole
    for offset in (0, 1, 4, 109, 65_645, 65_646, whole.size // 2, whole.size - 1, whole.size):
        part = await shop.package(view.row.batch_id, offset)
        assert (part.size, part.manifest) == (whole.size, whole.manifest)
        assert part.data == whole.data[offset:]


async def test_an_offset_beyond_the_end_is_refused_at_the_first_export_and_later(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    for _ in range(2):
        with pytest.raises(InvalidInput) as refused:
            await shop.package(view.row.batch_id, 10_000_000)
        assert refused.value.reason == "OFFSET"
        await shop.package(view.row.batch_id)


async def test_updated_cards_do_not_change_their_batchs_package(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    whole = await shop.package(view.row.batch_id)
    ids = [card["card_id"] for card in shop.database.rows("card")]
    await shop.change(rules.update([rules.CardValues({"expires_ms": START_MS + 5000})] * 3), *ids)
    assert await shop.package(view.row.batch_id) == whole


async def test_a_batch_still_being_issued_is_not_exported(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(3)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.package(view.row.batch_id)
    assert refused.value.reason == "BATCH_ISSUING"


async def test_an_acknowledged_batch_has_no_key_left_and_is_not_exported(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    batch_id = view.row.batch_id
    with pytest.raises(FailedPrecondition) as refused:
        await shop.batches.acknowledge(shop.call(), "netcash", batch_id, bytes(32), "")
    assert refused.value.reason == "NOT_EXPORTED"
    package = await shop.package(batch_id)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.batches.acknowledge(shop.call(), "netcash", batch_id, bytes(32), "")
    assert refused.value.reason == "MANIFEST_MISMATCH"
    call = shop.call(request_id=uuid4())
    for _ in range(2):
        acknowledged = await shop.batches.acknowledge(call, "netcash", batch_id, package.manifest.sha256, "")
        assert acknowledged.row.state == BatchState.ACKNOWLEDGED
    (row,) = shop.database.rows("batch")
    assert (row["package_head"], row["wrapped_package_key"]) == (None, None)
    assert row["manifest_sha256"] == package.manifest.sha256
    with pytest.raises(FailedPrecondition) as refused:
        await shop.package(batch_id)
    assert refused.value.reason == "BATCH_ACKNOWLEDGED"


async def test_an_export_that_the_batch_does_not_outlive_ends_without_a_manifest(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    parts = shop.export.stream(shop.call(), "netcash", view.row.batch_id, 0)
    assert isinstance(await anext(parts), int)
    await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", **WET)
    with pytest.raises(FailedPrecondition) as refused:
        [part async for part in parts]
    assert refused.value.reason == "EXPORT_ENDED"
    assert shop.database.rows("batch")[0]["manifest_sha256"] is None


async def test_a_batch_that_lacks_a_card_is_not_exported(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    shop.database.delete("card", shop.database.rows("card")[1]["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await shop.package(view.row.batch_id)
    assert refused.value.reason == "CARD_MISSING"


async def test_concurrent_first_exports_agree(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(50)
    packages = await asyncio.gather(*(shop.package(view.row.batch_id) for _ in range(5)))
    assert all(package == packages[0] for package in packages)


async def test_a_withdrawal_closes_only_what_is_not_sold(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(10)
    ids = [card["card_id"] for card in shop.database.rows("card")]
    await shop.change(rules.activate, *ids[:3])
    await shop.change(rules.turn("suspend"), ids[0])
    batch_id, etag = view.row.batch_id, f"r{view.row.revision}"
    dry = await shop.batches.withdraw(shop.call(), "netcash", batch_id, etag, **DRY)
    assert (dry.to_close, dry.view.row.state) == (7, BatchState.READY)
    with pytest.raises(Conflict):
        await shop.batches.withdraw(shop.call(), "netcash", batch_id, "r99", **WET)
    call = shop.call(request_id=uuid4())
    ended = [await shop.batches.withdraw(call, "netcash", batch_id, etag, **WET) for _ in range(2)]
    assert [end.to_close for end in ended] == [7, 7]
    await shop.work_all()
    states = {card["card_id"]: card["state"] for card in shop.database.rows("card")}
    assert [states[card_id] for card_id in ids[:3]] == [CardState.SUSPENDED, CardState.ACTIVE, CardState.ACTIVE]
    assert {states[card_id] for card_id in ids[3:]} == {CardState.CLOSED}
    closed = await shop.batches.get(shop.call(), "netcash", batch_id)
    assert (closed.row.state, closed.closed, closed.working) == (BatchState.WITHDRAWN, 7, False)
    assert await check_invariants(shop) == 10


async def test_a_batch_cancelled_in_mid_issue_ends_with_every_card_closed(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(30_000)
    await shop.work(lambda: shop.database.count("card") > 0)
    call = shop.call(request_id=uuid4())
    ended = [await shop.batches.cancel(call, "netcash", view.row.batch_id, "", **WET) for _ in range(2)]
    issued = shop.database.count("card")
    assert [end.to_close for end in ended] == [issued, issued]
    await shop.work_all()
    assert shop.database.count("card") == issued
    assert {card["state"] for card in shop.database.rows("card")} == {CardState.CLOSED}
    assert [job["state"] for job in shop.database.rows("job")] == [JobState.CANCELLED, JobState.DONE]
    await check_invariants(shop)


async def test_a_batch_cancelled_under_a_working_lane_issues_nothing_more(shop: Workshop) -> None:
    await shop.program()
    view = await shop.batch(30_000)

    async def cancel() -> None:
        while not shop.database.count("card"):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.002)
        await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", **WET)

    await asyncio.gather(cancel(), shop.work(lambda: bool(shop.database.rows("job", kind=2, state=JobState.DONE))))
    (job,) = shop.database.rows("job", kind=1)
    assert (job["state"], job["error_count"]) == (JobState.CANCELLED, 0)
    assert {card["state"] for card in shop.database.rows("card")} == {CardState.CLOSED}
    assert not [event for event in await shop.all_events() if event.status == "FAILED"]
    await check_invariants(shop)


async def test_a_batch_with_sold_cards_is_withdrawn_not_cancelled(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    await shop.change(rules.activate, shop.database.rows("card")[0]["card_id"])
    for how in (DRY, WET):
        with pytest.raises(FailedPrecondition) as refused:
            await shop.batches.cancel(shop.call(), "netcash", view.row.batch_id, "", **how)
        assert refused.value.reason == "BATCH_HAS_SOLD_CARDS"


async def test_a_dry_cancellation_changes_nothing(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    ended = await shop.batches.cancel(shop.call(request_id=uuid4()), "netcash", view.row.batch_id, "", **DRY)
    assert (ended.to_close, ended.view) == (3, view)
    assert await shop.batches.get(shop.call(), "netcash", view.row.batch_id) == view
    assert shop.database.count("job") == shop.database.count("request") == 1


async def test_a_batch_ends_once(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(1)
    batch_id = view.row.batch_id
    await shop.batches.cancel(shop.call(), "netcash", batch_id, "", **WET)
    for again in (shop.batches.cancel, shop.batches.withdraw):
        with pytest.raises(FailedPrecondition) as refused:
            await again(shop.call(), "netcash", batch_id, "", **WET)
        assert refused.value.reason == "BATCH_CANCELLED"
    with pytest.raises(FailedPrecondition):
        await shop.batches.acknowledge(shop.call(), "netcash", batch_id, bytes(32), "")
    issuing = await shop.batch(1)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.batches.withdraw(shop.call(), "netcash", issuing.row.batch_id, "", **WET)
    assert refused.value.reason == "BATCH_ISSUING"


async def test_a_batch_is_not_exported_once_a_card_of_it_has_a_new_code(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SLICE", 2)
    await shop.program()
    view = await shop.issued_batch(5)
    batch_id = view.row.batch_id
    (lost,) = (card["card_id"] for card in shop.database.rows("card") if card["batch_position"] == 1)
    request = CardRequest("netcash", Selector(lost), Delivery(), "lost")
    await shop.card_reissue.reissue(shop.call(request_id=uuid4()), request)
    with pytest.raises(FailedPrecondition) as refused:
        await anext(shop.export.stream(shop.call(), "netcash", batch_id, 0))
    assert refused.value.reason == "REISSUED"
    assert shop.database.rows("batch")[0]["manifest_sha256"] is None


async def test_an_export_that_a_reissue_overtakes_ends_without_a_manifest(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SLICE", 2)
    await shop.program()
    view = await shop.issued_batch(5)
    parts = shop.export.stream(shop.call(), "netcash", view.row.batch_id, 0)
    assert isinstance(await anext(parts), int)
    await reissued(shop)
    with pytest.raises(FailedPrecondition) as refused:
        [part async for part in parts]
    assert refused.value.reason == "REISSUED"
    assert shop.database.rows("batch")[0]["manifest_sha256"] is None
