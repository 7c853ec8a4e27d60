"""Rows that name a key version are counted, by the shapes of their tables."""

from typing import get_type_hints

import pytest

from tests.contracts.samples import PROGRAM, card, code, extreme, new_id
from vault.model.shape import SHAPES
from vault.stores.protocol import Store, Transaction

TAGGED = [table for table, shape in SHAPES.items() if "tag" in shape.columns and table != "vault"]


def named(version: int) -> bytes:
    """Return what a tag or a sealed blob looks like that names a key version."""
    return b"\x01" + version.to_bytes(4) + b"rest"


class NamingContract:
    async def test_what_names_a_key_version_is_counted_in_every_kind_of_column(self, store: Store) -> None:
        codes = [
            code(bytes([number]) * 32, new_id(), index_version=number % 2 + 1)._replace(
                sealed_code=named(number % 3), wrapped_code_key=named(258 if number else 65536), tag=named(7)
            )
            for number in range(12)
        ]
        codes[11] = codes[11]._replace(program="other")
        cards = [card(new_id())._replace(wrapped_record_key=named(1) if number else None) for number in range(3)]

        def work(tx: Transaction) -> None:
            tx.codes.claim(codes)
            tx.cards.insert(cards)

        await store.transact(work)

        async def count(table: str, column: str, version: int, name: str | None = None) -> int:
            return await store.read(lambda tx: tx.tables.naming(SHAPES[table], column, version, name))

        assert [await count("code", "index_version", version) for version in (0, 1, 2)] == [0, 6, 6]
        assert [await count("code", "sealed_code", version) for version in (0, 1, 2, 3)] == [4, 4, 4, 0]
        assert [await count("code", "wrapped_code_key", version) for version in (258, 65536, 1)] == [11, 1, 0]
        assert [await count("code", "tag", 7, name) for name in (None, PROGRAM, "other", "third")] == [12, 11, 1, 0]
        assert [await count("code", "index_version", 2, name) for name in (PROGRAM, "other")] == [5, 1]
        assert [await count("card", "wrapped_record_key", version) for version in (0, 1)] == [0, 2]

    @pytest.mark.parametrize("table", SHAPES)
    async def test_every_column_of_every_table_can_be_counted(self, store: Store, table: str) -> None:
        shape = SHAPES[table]
        row = extreme(shape, high=True)
        hints = get_type_hints(shape.row)
        await store.transact(lambda tx: tx.tables.load(shape, [row]))
        for column in (*shape.sealed, *(name for name in shape.columns if name == "tag" or hints[name] is int)):
            value = getattr(row, column)
            version = value if isinstance(value, int) else int.from_bytes(value[1:5])
            for other, expected in ((version, 1), (version ^ 1, 0)):
                found = await store.read(
                    lambda tx, of=column, n=other: tx.tables.naming(shape, of, n, getattr(row, "program", None))  # type: ignore[misc]
                )
                assert found == expected
