"""Rows that were walked are written where they were found, and only if that is still where they are."""

import pytest

from tests.contracts.store_moves import ALL, CODE, TAGGED, codes, load
from tests.contracts.store_tables import rows_in_order
from vault.model.shape import SHAPES
from vault.stores.moves import Older
from vault.stores.sqlite import SqliteStore
from vault.stores.sqlite.moves import WALKS, Places

BLOBS = ("sealed_code", "wrapped_code_key")


@pytest.mark.parametrize("table", TAGGED)
async def test_rows_of_every_table_are_swapped_after_a_walk(store: SqliteStore, table: str) -> None:
    shape = SHAPES[table]
    rows = [row._replace(tag=b"\x01\x00\x00\x00\x01old") for row in rows_in_order(shape)[:9]]
    await load(store, shape, rows)
    found, _ = await store.read(lambda tx: tx.moves.walk(Older(shape, ("tag",), ALL), (), b"", 100))
    values = [(b"new %d" % number,) for number in range(len(found))]
    assert await store.transact(lambda tx: tx.moves.swap(shape, ("tag",), found, values)) == len(found)
    assert await store.transact(lambda tx: tx.moves.swap(shape, ("tag",), found, values)) == 0
    after = await store.read(lambda tx: tx.tables.page(shape, None, 99))
    assert sorted(row.tag for row in after) == sorted(tag for (tag,) in values)


async def test_a_row_that_was_walked_is_swapped_only_if_it_is_still_the_same(store: SqliteStore) -> None:
    rows = codes(100)
    await load(store, CODE, rows)
    found, _ = await store.read(lambda tx: tx.moves.walk(Older(CODE, BLOBS[1:], ALL), BLOBS, b"", 1000))
    values = [(b"new", b"key")] * len(found)
    moved = (b"else", found[70].wrapped_code_key)
    assert await store.transact(lambda tx: tx.moves.swap(CODE, BLOBS, found[70:71], [moved])) == 1
    assert await store.transact(lambda tx: tx.moves.swap(CODE, BLOBS, found, values)) == 99
    after = {row.digest: row for row in await store.read(lambda tx: tx.tables.page(CODE, None, 999))}
    assert after[found[70].digest].sealed_code == b"else"
    assert sum(row.sealed_code == b"new" for row in after.values()) == 99


async def test_a_row_that_took_the_place_of_another_is_left_alone(store: SqliteStore) -> None:
    rows = codes(20)
    await load(store, CODE, rows)
    found, _ = await store.read(lambda tx: tx.moves.walk(Older(CODE, BLOBS[1:], ALL), BLOBS, b"", 1000))
    turned = sorted(rows, reverse=True)
    await store.transact(lambda tx: tx.tables.empty(CODE))
    await load(store, CODE, turned)
    values = [(b"new", b"key")] * len(found)
    assert await store.transact(lambda tx: tx.moves.swap(CODE, BLOBS, found, values)) == 0
    assert await store.read(lambda tx: tx.tables.page(CODE, None, 999)) == sorted(rows)


async def test_rows_that_another_process_walked_are_swapped_all_the_same(
    store: SqliteStore, another: SqliteStore
) -> None:
    await load(store, CODE, codes(70))
    found, _ = await another.read(lambda tx: tx.moves.walk(Older(CODE, BLOBS[1:], ALL), BLOBS, b"", 1000))
    assert await store.transact(lambda tx: tx.moves.swap(CODE, BLOBS, found, [(b"new", b"key")] * 70)) == 70


def test_only_the_last_walks_are_remembered_and_only_whole() -> None:
    places, rows = Places(), codes(WALKS + 1)
    for place, row in enumerate(rows, 1):
        places.keep(CODE, [row], [place])
    assert places.find(CODE, rows[:1]) == []
    assert places.find(CODE, rows[1:2]) == [2]
    assert places.find(CODE, rows[1:3]) == []
    assert places.find(SHAPES["serial"], rows[1:2]) == []
