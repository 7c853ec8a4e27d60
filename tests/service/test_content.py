"""The content digest, and verifying everything that a store holds."""

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.service.tampering import BOUND, build
from tests.workshop import Workshop, workshop
from vault.errors import IntegrityFailure
from vault.model.shape import SHAPES
from vault.service.upkeep.content import Content, check_same, survey


def unseen(stage: str, done: int, total: int) -> None:
    """Watch nothing."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    with asyncio.Runner() as runner:
        runner.run(build(folder))
    return folder


@pytest.fixture
def folder(tmp_path: Path, template: Path) -> Path:
    return shutil.copytree(template, tmp_path, dirs_exist_ok=True)


async def content(shop: Workshop, *, verified: bool = False) -> Content:
    catalogue = shop.restarted().recorder.catalogue
    return await shop.store.read(lambda tx: survey(tx, catalogue.at(tx) if verified else None, unseen, "looking"))


async def test_everything_that_the_vault_wrote_is_verified_and_counted(folder: Path) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        found = await content(shop, verified=True)
        assert found.counts == {table: shop.database.count(table) for table in SHAPES}
        assert all(found.counts.values())
        assert found == await content(shop)
        assert len(found.sha256) == 32


async def test_progress_is_told_up_to_the_end(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    async with workshop(folder, bound=BOUND) as shop:
        found = await shop.store.read(lambda tx: survey(tx, None, lambda *seen: told.append(seen), "looking"))
    total = sum(found.counts.values())
    assert {(stage, of) for stage, _, of in told} == {("looking", total)}
    assert [done for _, done, _ in told][-1] == total


@pytest.mark.parametrize("table", SHAPES)
async def test_a_row_changed_or_deleted_changes_the_digest_and_names_its_table(folder: Path, table: str) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        before = await content(shop)
        row = shop.database.rows(table)[-1]
        column = [name for name in SHAPES[table].columns if row[name] is not None][-1]
        value = row[column] + (1 if isinstance(row[column], int) else b"x")
        shop.database.put(table, row["rowid"], **{column: value})
        changed = await content(shop)
        shop.database.delete(table, row["rowid"])
        deleted = await content(shop)
    assert len({before.sha256, changed.sha256, deleted.sha256}) == 3
    check_same(before, before)
    for other in (changed, deleted):
        with pytest.raises(IntegrityFailure, match=rf"in {table}$") as caught:
            check_same(other, before)
        assert caught.value.reason == "CONTENT_DIGEST"


async def test_a_value_moved_between_columns_changes_the_digest(folder: Path) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        row = shop.database.rows("program")[0]
        shop.database.put("program", row["rowid"], display_name="ab", code_prefix="")
        before = await content(shop)
        shop.database.put("program", row["rowid"], display_name="a", code_prefix="b")
        assert (await content(shop)).sha256 != before.sha256


async def test_a_table_without_rows_counts_as_none(folder: Path) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        found = await content(shop)
        for row in shop.database.rows("root_copy"):
            shop.database.delete("root_copy", row["rowid"])
        empty = await content(shop)
    fewer = Content({table: part for table, part in empty.tables.items() if table != "root_copy"})
    assert empty.sha256 == fewer.sha256 != found.sha256


@pytest.mark.parametrize("table", [table for table, shape in SHAPES.items() if "tag" in shape.columns])
async def test_a_row_whose_tag_does_not_hold_is_named(folder: Path, table: str) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        row = shop.database.rows(table)[-1]
        shop.database.put(table, row["rowid"], tag=row["tag"][:-1] + bytes([row["tag"][-1] ^ 1]))
        with pytest.raises(IntegrityFailure, match=f"table {table} ") as caught:
            await content(shop, verified=True)
        assert caught.value.reason == "ROW_TAG"
        await content(shop)


@pytest.mark.parametrize("way", ["edited", "taken out", "copies changed", "moved"])
async def test_a_chain_of_events_that_is_broken_is_noticed(folder: Path, way: str) -> None:
    async with workshop(folder, bound=BOUND) as shop:
        rows = shop.database.rows("audit_event")
        row = rows[1]
        if way == "edited":
            shop.database.put("audit_event", row["rowid"], event=row["event"] + b"\x6a\x01x")
        elif way == "taken out":
            shop.database.delete("audit_event", row["rowid"])
        elif way == "copies changed":
            shop.database.put("audit_event", row["rowid"], recorded_ms=row["recorded_ms"] + 1)
        else:
            shop.database.swap("audit_event", "event", row, rows[2])
        with pytest.raises(IntegrityFailure) as caught:
            await content(shop, verified=True)
        assert caught.value.reason == "AUDIT_EVENT"
