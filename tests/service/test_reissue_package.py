"""Packages of re-issued codes: old and new serial, the same bytes every time until they are acknowledged."""

import hashlib
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from tests.service.orders import create, reissued
from tests.workshop import START_MS, Package, Workshop
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.model.states import CardState, Detail
from vault.service import rules
from vault.service.issuing.issue import CardPlan
from vault.service.issuing.packing import Manifest
from vault.service.rotation import rotation_package
from vault.service.rotation.joborder import ReissueOrder
from vault.service.rules import CardValues

SOLD = CardPlan(state=CardState.ACTIVE)
TO_PRINTER = ReissueOrder(recipient="printer")


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many slices of few entries."""
    monkeypatch.setattr(rotation_package, "SLICE", 7)


async def _package(shop: Workshop, job_id: bytes, offset: int = 0) -> Package:
    parts: AsyncIterator[int | bytes | Manifest] = shop.packages.stream(shop.call("Export"), "netcash", job_id, offset)
    got = [part async for part in parts]
    size, manifest = got[0], got[-1]
    assert isinstance(size, int)
    assert isinstance(manifest, Manifest)
    return Package(size, b"".join(part for part in got if isinstance(part, bytes)), manifest)


async def test_a_package_holds_new_codes_with_old_and_new_serials_by_card_id(shop: Workshop) -> None:
    await shop.program()
    old = {code.card_id: code for code in (await shop.issue(30, plan=SOLD._replace(expires_ms=START_MS + 9000))).codes}
    old |= {code.card_id: code for code in (await shop.issue(10)).codes}
    job = await reissued(shop, TO_PRINTER)
    package = await _package(shop, job.row.job_id)
    assert package.size == len(package.data) == package.manifest.size
    assert package.manifest == (40, package.size, hashlib.sha256(package.data).digest())
    entries = shop.entries(package.data)
    assert [entry.superseded_serial for entry in entries] == [old[card_id].serial for card_id in sorted(old)]
    assert [bool(entry.expire_time_seconds) for entry in entries] == [
        old[card_id].expires_ms is not None for card_id in sorted(old)
    ]
    judged = await shop.judge(*(entry.code.encode() for entry in entries))
    assert [judgement.card.card_id for judgement in judged if judgement.card is not None] == sorted(old)
    assert {judgement.detail for judgement in judged} == {Detail.GOOD, Detail.INACTIVE}
    lineage = await shop.lineage.page(shop.call(), "netcash", job.row.job_id, b"", 1000)
    assert [(each.superseded_serial, each.serial, each.generation) for each in lineage] == [
        (entry.superseded_serial, entry.serial, 2) for entry in entries
    ]


async def test_lineage_is_listed_in_pages(shop: Workshop) -> None:
    await shop.program()
    ids = sorted(code.card_id for code in (await shop.issue(5)).codes)
    job = await reissued(shop)
    first = await shop.lineage.page(shop.call(), "netcash", job.row.job_id, b"", 3)
    rest = await shop.lineage.page(shop.call(), "netcash", job.row.job_id, first[-1].card_id, 3)
    assert [each.card_id for each in (*first, *rest)] == ids
    assert {(each.state, each.reissued_ms) for each in first} == {(CardState.INACTIVE, START_MS)}


async def test_a_package_is_the_same_every_time_and_resumes_anywhere(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(60, plan=SOLD)).codes
    job = await reissued(shop, TO_PRINTER)
    whole = await _package(shop, job.row.job_id)
    values = [CardValues({"expires_ms": START_MS + 10_000_000})]
    await shop.change(rules.update(values), codes[0].card_id)
    await shop.change(rules.turn("close"), codes[1].card_id)
    await reissued(shop)  # another generation, which this package does not know
    for offset in (0, 1, 100, whole.size - 1, whole.size):
        again = await _package(shop, job.row.job_id, offset)
        assert again.data == whole.data[offset:]
        assert again.manifest == whole.manifest
    with pytest.raises(InvalidInput):
        await _package(shop, job.row.job_id, whole.size + 1)


async def test_a_package_may_hold_only_what_was_unsold(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(20, plan=SOLD)
    unsold = sorted((await shop.issue(20)).codes, key=lambda code: code.card_id)
    job = await reissued(shop, TO_PRINTER._replace(package_unsold_only=True))
    await shop.change(rules.activate, unsold[3].card_id)
    package = await _package(shop, job.row.job_id)
    entries = shop.entries(package.data)
    assert [entry.superseded_serial for entry in entries] == [code.serial for code in unsold]
    assert package.manifest.entries == 20


async def test_a_package_of_nothing_is_whole(shop: Workshop) -> None:
    await shop.program()
    job = await reissued(shop, TO_PRINTER)
    package = await _package(shop, job.row.job_id)
    assert (package.manifest.entries, shop.entries(package.data)) == (0, [])


async def test_an_acknowledged_package_is_gone(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(3)
    job_id = (await reissued(shop, TO_PRINTER)).row.job_id

    async def refuse(sha256: bytes, reason: str) -> None:
        with pytest.raises(FailedPrecondition) as refused:
            await shop.packages.acknowledge(shop.call(request_id=uuid4()), "netcash", job_id, sha256)
        assert refused.value.reason == reason

    await refuse(bytes(32), "NOT_EXPORTED")
    package = await _package(shop, job_id)
    await refuse(bytes(32), "MANIFEST_MISMATCH")
    call = shop.call(request_id=UUID(int=7))
    for _ in range(2):
        view = await shop.packages.acknowledge(call, "netcash", job_id, package.manifest.sha256)
        assert view.package is not None
        assert view.package.manifest_sha256 == package.manifest.sha256
    (row,) = shop.database.rows("package")
    assert (row["package_head"], row["wrapped_package_key"]) == (None, None)
    await refuse(package.manifest.sha256, "PACKAGE_ACKNOWLEDGED")
    with pytest.raises(FailedPrecondition) as refused:
        await _package(shop, job_id)
    assert refused.value.reason == "PACKAGE_ACKNOWLEDGED"


async def test_only_a_reissue_that_has_ended_and_names_a_recipient_has_a_package(shop: Workshop) -> None:
    await shop.program()
    await shop.issue()
    nobody = await reissued(shop)
    waiting = await create(shop, TO_PRINTER._replace(await_start=True))
    for job_id, reason in ((nobody.row.job_id, "NO_RECIPIENT"), (waiting.job.row.job_id, "JOB_PAUSED")):
        with pytest.raises(FailedPrecondition) as refused:
            await _package(shop, job_id)
        assert refused.value.reason == reason


async def test_a_cancelled_reissue_has_a_package_of_the_codes_that_it_made(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(200)
    job_id = (await create(shop, TO_PRINTER)).job.row.job_id
    await shop.work(lambda: shop.database.count("reissue") >= 20)
    view = await shop.rotation.cancel(shop.call(request_id=uuid4()), "netcash", job_id)
    assert view.row.done_count < 200
    package = await _package(shop, job_id)
    assert package.manifest.entries == view.row.done_count == len(shop.entries(package.data))


async def test_a_row_that_was_deleted_is_missed_before_a_byte_leaves(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(9)
    job = await reissued(shop, TO_PRINTER)
    shop.database.delete("reissue", shop.database.rows("reissue")[4]["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await _package(shop, job.row.job_id)
    assert refused.value.reason == "REISSUE_MISSING"


async def test_an_export_is_an_event_at_its_beginning_and_its_end(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(3)
    job = await reissued(shop, TO_PRINTER)
    await _package(shop, job.row.job_id)
    events = [event for event in await shop.all_events() if event.action.endswith("/Export")]
    assert [(event.note, event.delivered) for event in events] == [("offset 0", True), ("end", True)]
    assert {event.subject for event in events} == {f"job/{job.row.job_id.hex()}"}
