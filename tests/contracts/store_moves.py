"""Rows that are moved from old versions of keys to new ones."""

import itertools
from typing import Any

import pytest

from tests.contracts.samples import PROGRAM, card, code, extreme, new_id
from tests.contracts.store_naming import named
from tests.contracts.store_tables import rows_in_order
from vault.model.rows import CodeRow
from vault.model.shape import SHAPES, Shape
from vault.stores.moves import Older
from vault.stores.protocol import Store

CODE, CARD = SHAPES["code"], SHAPES["card"]
TAGGED = [table for table, shape in SHAPES.items() if "tag" in shape.columns and table != "vault"]
ALL = 1 << 32


async def load(store: Store, shape: Shape, rows: list[Any]) -> None:
    await store.transact(lambda tx: tx.tables.load(shape, rows))


async def walked(store: Store, older: Older, limit: int, sealed: tuple[str, ...] = ()) -> list[Any]:
    """Walk to the end, and check that every page but the last is full."""
    found: list[Any] = []
    position = b""
    while True:
        rows, position = await store.read(lambda tx, at=position: tx.moves.walk(older, sealed, at, limit))  # type: ignore[misc]
        found += rows
        assert len(rows) == limit if position else len(rows) < limit or not rows
        if not position:
            return found


def in_order(rows: list[Any]) -> list[Any]:
    """Sort rows by all that they hold: a code's own words leave out what tells it from others."""
    return sorted(rows, key=lambda row: repr(tuple(row)))


def codes(count: int) -> list[CodeRow]:
    return [code(bytes([number]) * 32, bytes([number % 7]) * 16, number // 7 + 1) for number in range(count)]


class MoveContract:
    @pytest.mark.parametrize("table", TAGGED)
    async def test_every_tagged_table_is_walked_whole_whatever_its_key(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        rows = [row._replace(tag=named(number % 3 + 1)) for number, row in enumerate(rows_in_order(shape)[:9])]
        await load(store, shape, rows)
        without = [row._replace(**dict.fromkeys(shape.sealed)) for row in rows]
        for limit in (1, 2, len(rows), 100):
            assert in_order(await walked(store, Older(shape, ("tag",), ALL), limit)) == in_order(without)
        older = [row for row in without if row.tag != named(3)]
        assert in_order(await walked(store, Older(shape, ("tag",), 3), 2)) == in_order(older)
        assert await store.read(lambda tx: tx.moves.left(Older(shape, ("tag",), 3))) == len(older)
        assert not await walked(store, Older(shape, ("tag",), 1), 2)

    async def test_rows_are_older_by_any_of_the_columns_and_null_names_nothing(self, store: Store) -> None:
        blobs = [(None, None), *itertools.product((named(1), named(2), named(300)), repeat=2), (b"?", named(300))]
        rows = [
            card(bytes([number]) * 16)._replace(sealed_record=sealed, wrapped_record_key=wrapped)
            for number, (sealed, wrapped) in enumerate(blobs)
        ]
        rows += [rows[1]._replace(program="other")]
        await load(store, CARD, rows)
        for columns, below, program, expected in (
            (("wrapped_record_key",), 2, PROGRAM, 3),
            (("wrapped_record_key",), 300, PROGRAM, 6),
            (("wrapped_record_key",), ALL, PROGRAM, 10),
            (("wrapped_record_key",), ALL, None, 11),
            (("sealed_record", "wrapped_record_key"), 2, PROGRAM, 6),
            (("sealed_record", "wrapped_record_key"), 300, "other", 1),
            (("sealed_record",), 1, None, 1),
            (("sealed_record",), 300, "nobody", 0),
        ):
            older = Older(CARD, columns, below, program)
            assert await store.read(lambda tx, of=older: tx.moves.left(of)) == expected  # type: ignore[misc]
            found = await walked(store, older, 4, ("sealed_record",))
            assert len(found) == expected
            assert {row.wrapped_record_key for row in found} <= {None}
            assert {row._replace(wrapped_record_key=None) for row in rows} >= set(found)

    async def test_a_row_is_swapped_only_where_it_still_is_what_was_read(self, store: Store) -> None:
        rows = codes(40)
        await load(store, CODE, rows)
        moved = rows[3]._replace(sealed_code=b"else")
        await store.transact(lambda tx: tx.moves.swap(CODE, ("sealed_code",), rows[3:4], [(b"else",)]))
        read = [rows[3], *(row._replace(serial="B") for row in rows[5:9]), code(b"?" * 32, new_id())]
        values = [(b"new %d" % number, b"a key") for number in range(len(read))]
        columns = ("sealed_code", "wrapped_code_key")
        assert await store.transact(lambda tx: tx.moves.swap(CODE, columns, read, values)) == 4
        assert await store.transact(lambda tx: tx.moves.swap(CODE, columns, [], [])) == 0
        wanted = [
            row._replace(sealed_code=sealed, wrapped_code_key=wrapped)
            for row, (sealed, wrapped) in zip(rows[5:9], values[1:], strict=False)
        ]
        found = await store.read(lambda tx: tx.tables.page(CODE, None, 99))
        assert found == [*rows[:3], moved, rows[4], *wanted, *rows[9:]]

    async def test_a_row_gets_a_new_key_only_where_nobody_has_it(self, store: Store) -> None:
        rows = codes(150)
        await load(store, CODE, rows)
        columns = ("digest", "index_version", "tag")
        new = [
            row._replace(digest=b"new %028d" % (200 - n), index_version=9, tag=b"anew") for n, row in enumerate(rows)
        ]
        new[5] = new[5]._replace(digest=rows[149].digest)
        new[8] = new[8]._replace(digest=new[7].digest)
        read = [*rows[:3], rows[3]._replace(tag=b"another"), code(b"?" * 32, new_id()), *rows[5:140]]
        values = [(row.digest, row.index_version, row.tag) for row in new[:140]]
        assert await store.transact(lambda tx: tx.moves.swap(CODE, columns, read, values)) == 136
        assert await store.transact(lambda tx: tx.moves.swap(CODE, columns, read, values)) == 0
        found = await store.read(lambda tx: tx.tables.page(CODE, None, 999))
        (seventh,) = [row for row in found if row.digest == new[7].digest]
        left = 8 if seventh.card_id == rows[7].card_id else 7
        stayed = {3, 4, 5, left, *range(140, 150)}
        assert found == sorted([*(rows[n] for n in stayed), *(new[n] for n in range(150) if n not in stayed)])

    @pytest.mark.parametrize("table", TAGGED)
    async def test_the_tag_of_every_table_can_be_swapped(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        rows = rows_in_order(shape)[:9]
        await load(store, shape, rows)
        after = [row._replace(tag=b"new") for row in rows]
        values = [(b"new",)] * len(rows)
        assert await store.transact(lambda tx: tx.moves.swap(shape, ("tag",), rows, values)) == len(rows)
        assert await store.transact(lambda tx: tx.moves.swap(shape, ("tag",), rows, values)) == 0
        assert await store.read(lambda tx: tx.tables.page(shape, None, 99)) == after

    @pytest.mark.parametrize("limit", [1, 4, 10, 100])
    async def test_older_code_rows_are_deleted_only_where_the_code_has_a_newer_row(
        self, store: Store, limit: int
    ) -> None:
        old = codes(30)
        new = [
            row._replace(digest=bytes([255, *row.digest[1:]]), index_version=3) for row in old if row.generation != 2
        ]
        new = [row._replace(digest=bytes([number]) + row.digest[1:]) for number, row in enumerate(new, 100)]
        older = [old[0]._replace(digest=b"o" * 32, index_version=2)]
        others = [old[0]._replace(digest=b"p" * 32, program="other")]
        await load(store, CODE, [*old, *older, *others, *new])
        alone = [row for row in old if row.generation == 2]
        lacking: list[CodeRow] = []
        while True:
            after = lacking[-1].digest if lacking else b""
            more = await store.read(lambda tx, at=after: tx.moves.lacking(PROGRAM, 3, at, limit))  # type: ignore[misc]
            lacking += more
            if len(more) < limit:
                break
        assert lacking == sorted(alone)
        total, position = 0, b""
        while True:
            count, position = await store.transact(lambda tx, at=position: tx.moves.clear(PROGRAM, 3, at, limit))  # type: ignore[misc]
            total += count
            assert count <= limit
            if not position:
                break
        assert total == len(old) - len(alone) + 1
        assert await store.read(lambda tx: tx.tables.page(CODE, None, 99)) == sorted([*alone, *others, *new])
        assert await store.read(lambda tx: tx.moves.left(Older(CODE, ("index_version",), 3, PROGRAM))) == len(alone)

    @pytest.mark.parametrize("position", [b"?", b"sixths", b"eightths", bytes(40)])
    async def test_a_position_that_another_store_gave_is_the_beginning(self, store: Store, position: bytes) -> None:
        rows = codes(9)
        await load(store, CODE, rows)
        older, sealed = Older(CODE, ("index_version",), 99, PROGRAM), CODE.sealed
        _, own = await store.read(lambda tx: tx.moves.walk(older, sealed, b"", 4))
        if len(position) != len(own):
            found, _ = await store.read(lambda tx: tx.moves.walk(older, sealed, position, 99))
            assert sorted(found) == sorted(rows)
            assert (await store.transact(lambda tx: tx.moves.clear(PROGRAM, 99, position, 99))) == (0, b"")

    async def test_versions_that_stand_at_the_beginning_of_a_column_are_counted(self, store: Store) -> None:
        shape = SHAPES["request"]
        rows = [
            extreme(shape, high=False)._replace(request_id=bytes([n]), body_mac=n.to_bytes(4) + b"mac") for n in (1, 2)
        ]
        await load(store, shape, rows)
        assert await store.read(lambda tx: tx.tables.naming(shape, "body_mac", 2, None, 1)) == 1
        assert await store.read(lambda tx: tx.tables.naming(shape, "body_mac", 2, None)) == 0
