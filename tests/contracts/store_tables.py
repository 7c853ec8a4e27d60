"""Whole tables, page by page, as backup, restore and move read and write them."""

import itertools
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from tests.contracts.samples import TAG, extreme, new_id, serial
from vault.errors import AlreadyExists, FailedPrecondition
from vault.model.rows import RootCopyRow, VaultRow
from vault.model.shape import SHAPES, Shape
from vault.stores.protocol import Store, Transaction

KEYS: dict[type, list[Any]] = {
    str: ["", "B", "a", "a ", "ab", "Ä", "ä", "発行", "\U0001f0a2"],
    bytes: [b"", b"\x00", b"\x00\x00", b"\x01", b"\x7f", b"\x80", b"\xff"],
    int: [-(2**62), -1, 0, 9, 10, 2**62],
}
"""Values of each type in the order in which every store must give them."""


def rows_in_order(shape: Shape) -> list[Any]:
    """Return rows of every combination of key values, in the order of the key."""
    hints = get_type_hints(shape.row)
    values = [KEYS[next(kind for kind in KEYS if issubclass(hints[name], kind))] for name in shape.key]
    row = extreme(shape, high=True)
    return [row._replace(**dict(zip(shape.key, key, strict=True))) for key in itertools.product(*values)]


def pages(tx: Transaction, shape: Shape, limit: int) -> Iterator[list[Any]]:
    after = None
    while rows := tx.tables.page(shape, after, limit):
        yield rows
        after = tuple(getattr(rows[-1], name) for name in shape.key)


class TableContract:
    @pytest.mark.parametrize("table", [table for table in SHAPES if table != "vault"])
    async def test_a_table_that_was_loaded_comes_back_in_the_order_of_its_key(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        rows = rows_in_order(shape)
        await store.transact(lambda tx: tx.tables.load(shape, rows[::-1]))
        assert await store.read(lambda tx: tx.tables.count(shape)) == len(rows)
        for limit in (4, len(rows), len(rows) + 1):
            found = await store.read(lambda tx, n=limit: list(pages(tx, shape, n)))  # type: ignore[misc]
            assert [row for page in found for row in page] == rows
            assert all(type(row) is shape.row for row in found[0])
            assert {len(page) for page in found[:-1]} <= {limit}

    async def test_hundreds_of_rows_are_loaded_at_once_and_none_twice(self, store: Store) -> None:
        shape = SHAPES["serial"]
        rows = [serial(f"{number:013}", new_id()) for number in range(700)]
        await store.transact(lambda tx: tx.tables.load(shape, rows))
        for again in (rows[:1], rows[300:]):
            with pytest.raises(AlreadyExists):
                await store.transact(lambda tx, again=again: tx.tables.load(shape, again))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.tables.count(shape)) == len(rows)

    async def test_an_emptied_table_is_empty_and_the_others_are_not(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            for table in ("serial", "tally"):
                tx.tables.load(SHAPES[table], rows_in_order(SHAPES[table]))
            tx.tables.empty(SHAPES["serial"])

        await store.transact(work)
        assert await store.read(lambda tx: tx.tables.count(SHAPES["serial"])) == 0
        assert await store.read(lambda tx: tx.tables.count(SHAPES["tally"])) > 0

    @pytest.mark.parametrize("table", SHAPES)
    async def test_no_table_is_loaded_or_emptied_beside_a_vaults_own_row(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        await store.transact(lambda tx: tx.vault.insert(VaultRow(new_id(), 1, TAG)))
        for act in (
            lambda tx: tx.tables.load(shape, [extreme(shape, high=True)]),
            lambda tx: tx.tables.empty(shape),
        ):
            with pytest.raises(FailedPrecondition) as caught:
                await store.transact(act)
            assert caught.value.reason == "VAULT_IN_USE"
        assert await store.read(lambda tx: tx.tables.count(shape)) == int(table == "vault")

    async def test_copies_of_the_root_key_are_kept_by_version_and_replaced(self, store: Store) -> None:
        for version, confirmed_ms in ((2, 5), (10, 6), (1, 7), (2, 8)):
            row = RootCopyRow(version, confirmed_ms, TAG)
            await store.transact(lambda tx, row=row: tx.root_copies.put(row))  # type: ignore[misc]
        assert await store.read(lambda tx: tx.root_copies.all()) == [
            RootCopyRow(1, 7, TAG),
            RootCopyRow(2, 8, TAG),
            RootCopyRow(10, 6, TAG),
        ]
