"""A vault copied into another store: all of it or no vault at all."""

import contextlib
import shutil
from pathlib import Path

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.service.tampering import build
from tests.service.test_content import content, unseen
from tests.workshop import Workshop, parts_over, workshop
from vault.errors import FailedPrecondition, IntegrityFailure, Unavailable
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail
from vault.service.issuing.issue import CardPlan
from vault.service.upkeep.content import Content, survey
from vault.service.upkeep.moving import copy_tables, empty_tables
from vault.service.upkeep.restoration import admit_moved, check_not_a_vault
from vault.stores.postgres import Address, PostgresStore
from vault.stores.protocol import Store
from vault.stores.sqlite import SqliteStore, frozen, migrate


async def fill(shop: Workshop, cards: int) -> bytes:
    """Issue cards, and return a good code."""
    await shop.program()
    (made,) = (await shop.issue(plan=CardPlan(state=CardState.ACTIVE))).codes
    await shop.issued_batch(cards)
    return made.code.expose()


async def move(shop: Workshop, target: Store) -> Content:
    with frozen.moment(shop.database.path) as tx:
        vault = tx.vault.get()
        assert vault is not None
        found = await copy_tables(tx, shop.restarted().recorder.catalogue.at(tx), target, unseen)
    await admit_moved(parts_over(target, shop.parts.custody, shop.clock).recorder, vault, found, unseen)
    return found


def elsewhere(shop: Workshop) -> Path:
    """Make an empty, migrated database with the same root key beside it."""
    folder = shop.database.path.parent / "elsewhere"
    folder.mkdir()
    shutil.copy(shop.database.path.parent / "root.key", folder / "root.key")
    migrate(folder / "vault.db")
    return folder


async def test_a_moved_vault_serves_and_the_source_is_as_it_was(shop: Workshop) -> None:
    code = await fill(shop, 2500)
    before = await content(shop)
    folder = elsewhere(shop)
    target = SqliteStore.open(folder / "vault.db")
    try:
        assert await move(shop, target) == before == await content(shop)
    finally:
        await target.close()
    async with workshop(folder) as there:
        (judgement,) = await there.judge(code)
        assert judgement.detail == Detail.GOOD
        (event,) = [event for event in await there.all_events() if event.action == "vault/Move"]
        assert event.file_sha256 == before.sha256
        await content(there, verified=True)


async def test_rows_of_every_table_are_moved_into_postgresql_and_verified_there(
    tmp_path: Path, address: Address
) -> None:
    await build(tmp_path)
    target = PostgresStore.open(address)
    try:
        async with workshop(tmp_path) as shop:
            before = await content(shop, verified=True)
            assert all(before.counts.values())
            assert await move(shop, target) == before
            recorder = parts_over(target, shop.parts.custody, shop.clock).recorder
        after = await target.read(lambda tx: survey(tx, recorder.catalogue.at(tx), unseen, "looking"))
        assert after.counts == {**before.counts, "audit_event": before.counts["audit_event"] + 1}
    finally:
        await target.close()


async def test_rows_are_told_table_by_table(shop: Workshop) -> None:
    await fill(shop, 1200)
    told: list[tuple[str, int, int]] = []
    target = SqliteStore.open(elsewhere(shop) / "vault.db")
    try:
        with frozen.moment(shop.database.path) as tx:
            snapshot = shop.recorder.catalogue.at(tx)
            await copy_tables(tx, snapshot, target, lambda *seen: told.append(seen))
    finally:
        await target.close()
    assert [(done, of) for table, done, of in told if table == "card"] == [(64, 1201), (320, 1201), (1201, 1201)]
    assert {table for table, _, _ in told} == {table for table in SHAPES if shop.database.count(table)}


async def test_a_forged_row_stops_the_copy(shop: Workshop) -> None:
    await fill(shop, 2)
    card = shop.database.rows("card")[0]
    shop.database.put("card", card["rowid"], usage=3)
    target = SqliteStore.open(elsewhere(shop) / "vault.db")
    try:
        with pytest.raises(IntegrityFailure, match=card["card_id"].hex()):
            await move(shop, target)
        assert await target.read(lambda tx: tx.vault.get()) is None
    finally:
        await target.close()


@pytest.mark.parametrize("moment", Moment)
async def test_a_move_that_fails_anywhere_leaves_no_vault_or_a_whole_one_and_can_be_begun_anew(
    shop: Workshop, moment: Moment
) -> None:
    await fill(shop, 2)
    before = await content(shop)
    template = elsewhere(shop)
    number, failed = 0, True
    while failed:
        number += 1
        folder = template.with_name(f"place-{number}")
        shutil.copytree(template, folder)
        target = SqliteStore.open(folder / "vault.db", cache_mib=1)
        faulty = FaultyStore(target, number, moment)
        try:
            with contextlib.suppress(Unavailable):
                await move(shop, faulty)
            failed = faulty.failed
            if await target.read(lambda tx: tx.vault.get()) is None:
                assert failed
                await target.read(check_not_a_vault)
                await empty_tables(target)
                assert not await target.read(check_not_a_vault)
                assert await move(shop, target) == before
        finally:
            await target.close()
        async with workshop(folder) as there:
            assert there.database.count("card") == 3
            await there.programs.get(there.call(), "netcash")
    assert number > 20


async def test_only_what_holds_no_vault_is_emptied(shop: Workshop) -> None:
    await shop.program()
    before = await content(shop)
    with pytest.raises(FailedPrecondition) as caught:
        await empty_tables(shop.store)
    assert caught.value.reason == "VAULT_IN_USE"
    assert await content(shop) == before
