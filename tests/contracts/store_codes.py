"""Codes and serials: claimed once, whoever asks."""

import asyncio
import os
from collections import Counter

import pytest

from tests.contracts.samples import PROGRAM, code, new_id, serial
from vault.model.rows import CodeRow
from vault.stores.protocol import Store, Transaction


class CodeContract:
    async def test_free_digests_are_claimed_and_taken_ones_told(self, store: Store) -> None:
        first = [code(bytes([number]) * 32, new_id()) for number in (1, 2, 3)]
        assert await store.transact(lambda tx: tx.codes.claim([])) == set()
        assert await store.transact(lambda tx: tx.codes.claim(first)) == set()
        second = [code(bytes([number]) * 32, new_id()) for number in (5, 3, 4, 1)]
        assert await store.transact(lambda tx: tx.codes.claim(second)) == {first[0].digest, first[2].digest}
        found = await store.read(lambda tx: tx.codes.by_digest([bytes([number]) * 32 for number in range(9)]))
        assert set(found.values()) == {*first, second[0], second[2]}

    async def test_a_digest_without_a_code_does_not_find_another_code(self, store: Store) -> None:
        row, other = (code(bytes([number]) * 32, new_id()) for number in (1, 2))
        await store.transact(lambda tx: tx.codes.claim([row, other]))
        for there in (row, other, row):
            found = await store.read(lambda tx, there=there: tx.codes.by_digest([there.digest]))  # type: ignore[misc]
            assert found == {there.digest: there}
            assert await store.read(lambda tx: tx.codes.by_digest([b"3" * 32])) == {}

    async def test_the_very_same_row_claimed_again_is_taken(self, store: Store) -> None:
        row = code(b"1" * 32, new_id())

        def work(tx: Transaction) -> list[set[bytes]]:
            return [tx.codes.claim([row]), tx.codes.claim([row])]

        assert await store.transact(work) == [set(), {row.digest}]
        assert await store.transact(lambda tx: tx.codes.claim([row])) == {row.digest}
        assert await store.read(lambda tx: tx.codes.by_digest([row.digest])) == {row.digest: row}

    async def test_a_digest_twice_in_one_claim_is_not_written_at_all(self, store: Store) -> None:
        rows = [code(bytes([number]) * 32, new_id()) for number in (1, 2, 2, 3)]
        assert await store.transact(lambda tx: tx.codes.claim(rows)) == {rows[1].digest}
        found = await store.read(lambda tx: tx.codes.by_digest({row.digest for row in rows}))
        assert found == {rows[0].digest: rows[0], rows[3].digest: rows[3]}
        assert await store.transact(lambda tx: tx.codes.claim(rows[1:3])) == {rows[1].digest}
        assert await store.transact(lambda tx: tx.codes.claim([rows[1]])) == set()
        assert await store.transact(lambda tx: tx.codes.claim(rows[1:3])) == {rows[1].digest}
        assert await store.read(lambda tx: tx.codes.by_digest([rows[1].digest])) == {rows[1].digest: rows[1]}

    @pytest.mark.parametrize("count", [1000, 5000])
    async def test_many_are_claimed_at_once_with_one_collision(self, store: Store, count: int) -> None:
        rows = sorted(code(os.urandom(32), new_id()) for _ in range(count))
        await store.transact(lambda tx: tx.codes.claim([rows[count // 2]]))
        assert await store.transact(lambda tx: tx.codes.claim(rows)) == {rows[count // 2].digest}
        found = await store.read(lambda tx: tx.codes.by_digest([row.digest for row in rows]))
        assert found == {row.digest: row for row in rows}
        of_cards = await store.read(lambda tx: tx.codes.of_cards([row.card_id for row in rows]))
        assert sorted(of_cards) == rows

    async def test_claimed_rows_can_be_given_back(self, store: Store) -> None:
        rows = [code(bytes([number]) * 32, new_id()) for number in (1, 2, 3)]

        def work(tx: Transaction) -> None:
            assert tx.codes.claim(rows) == set()
            tx.codes.delete([])
            tx.codes.delete([rows[0].digest, rows[2].digest])

        await store.transact(work)
        assert await store.read(lambda tx: tx.codes.by_digest([row.digest for row in rows])) == {
            rows[1].digest: rows[1]
        }

    async def test_a_cards_codes_of_all_generations_and_index_versions_are_found(self, store: Store) -> None:
        ann, bob = new_id(), new_id()
        rows = [code(os.urandom(32), ann, generation, version) for generation in (1, 2) for version in (1, 2)]
        other = code(os.urandom(32), bob)
        await store.transact(lambda tx: tx.codes.claim([*rows, other, code(os.urandom(32), new_id())]))
        found = await store.read(lambda tx: tx.codes.of_cards([ann, bob, ann, new_id()]))
        assert Counter(found) == Counter([*rows, other])

    async def test_of_racing_claims_of_one_digest_one_wins(self, store: Store, another: Store) -> None:
        rows = [code(b"1" * 32, new_id()) for _ in range(20)]

        async def claim(one: Store, row: CodeRow) -> bool:
            return not await one.transact(lambda tx: tx.codes.claim([row]))

        won = await asyncio.gather(*(claim((store, another)[place % 2], row) for place, row in enumerate(rows)))
        assert sum(won) == 1
        found = await store.read(lambda tx: tx.codes.by_digest([b"1" * 32]))
        assert list(found.values()) == [rows[won.index(True)]]

    async def test_serials_are_unique_within_a_program(self, store: Store) -> None:
        first = [serial("A1", new_id()), serial("A2", new_id()), serial("A1", new_id(), "other")]
        assert await store.transact(lambda tx: tx.serials.claim(first)) == set()
        second = [serial("A2", new_id()), serial("A3", new_id()), serial("A2", new_id(), "other")]
        assert await store.transact(lambda tx: tx.serials.claim(second)) == {"A2"}
        found = await store.read(lambda tx: tx.serials.get(PROGRAM, ["A1", "A2", "A3", "A4"]))
        assert found == {"A1": first[0], "A2": first[1], "A3": second[1]}
        found = await store.read(lambda tx: tx.serials.get("other", ["A1", "A2"]))
        assert found == {"A1": first[2], "A2": second[2]}

    async def test_a_serial_twice_in_one_claim_is_not_written_at_all(self, store: Store) -> None:
        rows = [serial(value, new_id()) for value in ("A1", "A2", "A2", "A3")]
        assert await store.transact(lambda tx: tx.serials.claim(rows)) == {"A2"}
        found = await store.read(lambda tx: tx.serials.get(PROGRAM, ["A1", "A2", "A3"]))
        assert found == {"A1": rows[0], "A3": rows[3]}
