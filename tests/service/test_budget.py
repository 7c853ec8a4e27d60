"""The bound on encryptions per key-encryption key."""

import asyncio
from pathlib import Path

import pytest

from tests.service.invariants import check_invariants
from tests.workshop import Workshop, workshop
from vault.errors import FailedPrecondition, NotFound, Unavailable
from vault.model.states import KeyPurpose, KeyState
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector

BOUND = 1000


def _keys(shop: Workshop) -> list[int]:
    return [row["state"] for row in shop.database.rows("key_version", purpose=KeyPurpose.WRAPPING)]


def _reserved(shop: Workshop) -> list[int]:
    return [row["reserved"] for row in shop.database.rows("key_use")]


async def test_a_program_gets_a_new_key_before_the_bound_is_passed(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=BOUND) as shop:
        await shop.program()
        codes = [code for _ in range(12) for code in (await shop.issue(60, plan=CardPlan(payload=b"paid"))).codes]
        assert _keys(shop) == [KeyState.DEACTIVATED, KeyState.ACTIVE]
        assert all(reserved <= BOUND for reserved in _reserved(shop))
        assert sum(_reserved(shop)) >= 2 * len(codes)
        for code in codes[::60]:
            shown = await shop.reveal.reveal(shop.call(), "netcash", Selector(code.card_id), Delivery(), "why")
            assert shown.codes[0].code.expose() == code.code.expose()
            record = await shop.records.get(shop.call(), "netcash", Selector(code.card_id))
            assert record.payload == b"paid"
        versions = {row["wrapped_code_key"][:5] for row in shop.database.rows("code")}
        assert versions == {b"\1\0\0\0\1", b"\1\0\0\0\2"}
        rolled = [event for event in await shop.all_events() if event.action == "vault/RollKey"]
        assert [(event.subject, event.reason) for event in rolled] == [("wrapping/2", "BOUND_REACHED")]
        assert await check_invariants(shop) == len(codes)


async def test_the_count_survives_a_restart_and_what_was_not_spent_counts_as_spent(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=BOUND) as shop:
        await shop.program()
        await shop.issue()
        reserved = _reserved(shop)
        assert reserved == [BOUND // 16]
    for restarts in range(2, 8):
        async with workshop(tmp_path, bound=BOUND) as shop:
            await shop.issue()
            assert _reserved(shop) == [restarts * (BOUND // 16)]


async def test_a_batch_rolls_keys_as_it_goes(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=BOUND) as shop:
        await shop.program()
        view = await shop.issued_batch(2500)
        assert view.issued == 2500
        assert _keys(shop)[-1] == KeyState.ACTIVE
        assert set(_keys(shop)[:-1]) == {KeyState.DEACTIVATED}
        assert all(reserved <= BOUND for reserved in _reserved(shop))
        assert len(shop.entries((await shop.package(view.row.batch_id)).data)) == 2500
        assert await check_invariants(shop) == 2500


async def test_concurrent_issuers_share_a_reservation_without_passing_it(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=BOUND) as shop:
        await shop.program()
        await asyncio.gather(*(shop.issue(10) for _ in range(20)))
        assert await check_invariants(shop) == 200
        assert sum(_reserved(shop)) >= 200
        assert all(reserved <= BOUND for reserved in _reserved(shop))


async def test_more_than_fits_under_one_key_is_refused(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=BOUND) as shop:
        await shop.program()
        with pytest.raises(FailedPrecondition) as refused:
            await shop.issue(BOUND)
        assert refused.value.reason == "WRAPS_PER_KEY"


async def test_nothing_is_spent_that_was_not_reserved(shop: Workshop) -> None:
    await shop.program()
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    with pytest.raises(Unavailable) as refused:
        shop.parts.budget.spend(snapshot, "netcash", 1)
    assert refused.value.reason == "STALE"
    with pytest.raises(NotFound):
        await shop.parts.budget.reserve("nowhere", 1)


async def test_a_lost_count_is_taken_for_a_full_one(shop: Workshop) -> None:
    await shop.program()
    (row,) = shop.database.rows("key_use")
    shop.database.delete("key_use", row["rowid"])
    await shop.issue()
    assert _keys(shop) == [KeyState.DEACTIVATED, KeyState.ACTIVE]
