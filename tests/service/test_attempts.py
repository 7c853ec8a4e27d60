"""Waits after wrong proofs: the rule, and what it does to claims."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.exchanging import DAY, Claimant, leaked
from tests.service.test_exchange import WRONG
from tests.workshop import Workshop, workshop
from vault.model.incident_rows import AttemptRow
from vault.model.states import Detail, Proof
from vault.service.exchanging.attempts import FREE, LONGEST_WAIT_MS, cleared, failed, wait_ms, waits
from vault.stores.postgres import Address

MINUTES = [1, 2, 4, 8, 16, 32, 60, 60]
CARD = bytes(16)


def test_waits_begin_at_a_minute_and_double_up_to_an_hour() -> None:
    assert [wait_ms(failures) for failures in range(FREE)] == [0] * FREE
    assert [wait_ms(failures) // 60_000 for failures in range(FREE, FREE + len(MINUTES))] == MINUTES


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62))
def test_whatever_the_clocks_say_nobody_waits_for_more_than_an_hour(failures: int, last_ms: int, now_ms: int) -> None:
    row = AttemptRow("netcash", CARD, failures, last_ms, b"")
    assert not waits(row, now_ms) or not waits(row, now_ms + 2 * LONGEST_WAIT_MS)
    assert not waits(row, last_ms + LONGEST_WAIT_MS)


@given(st.integers(0, 2**40))
def test_a_right_proof_clears_the_count(now_ms: int) -> None:
    row = None
    for _ in range(FREE + 3):
        row = failed(row, "netcash", CARD, now_ms)
    assert row is not None
    assert waits(row, now_ms)
    assert not waits(cleared(row, now_ms), now_ms)
    assert not waits(None, now_ms)


async def _wrong(shop: Workshop, code: bytes, times: int = 1) -> None:
    for _ in range(times):
        assert not (await Claimant(shop).claim(code, WRONG[Proof.SALE_SECRET])).done


async def test_after_five_wrong_proofs_nothing_is_right_for_a_while_and_nothing_is_counted(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    code, right = card.old.code.expose(), card.right[Proof.SALE_SECRET]
    await _wrong(shop, code, FREE)
    for place, minutes in enumerate(MINUTES, 1):
        for _ in range(3):
            early = await Claimant(shop).claim(code, right)
            assert (early.done, early.detail) == (False, Detail.SUPERSEDED)
            assert (await shop.all_events())[-1].reason == "PROOF_WAIT"
            await _wrong(shop, code)
        shop.clock.advance(60 * minutes - 0.001)
        assert not (await Claimant(shop).claim(code, right)).done
        shop.clock.advance(0.001)
        if place < len(MINUTES):
            await _wrong(shop, code)
    assert (await Claimant(shop).claim(code, right)).done
    (row,) = shop.database.rows("attempt", card_id=card.card_id)
    assert row["failures"] == 0


async def test_four_wrong_proofs_and_a_right_one_are_no_wait(shop: Workshop) -> None:
    _, _, cards = await leaked(shop, Proof.SALE_SECRET, 2)
    for card in cards:
        await _wrong(shop, card.old.code.expose(), FREE - 1)
    for card in cards:
        assert (await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SALE_SECRET])).done


async def test_one_cards_wrong_proofs_are_no_other_cards_wait(shop: Workshop) -> None:
    _, _, (one, other) = await leaked(shop, Proof.SALE_SECRET, 2)
    await _wrong(shop, one.old.code.expose(), FREE)
    assert (await Claimant(shop).claim(other.old.code.expose(), other.right[Proof.SALE_SECRET])).done


async def test_waits_outlive_a_process_and_end_by_themselves(tmp_path: Path, shop_address: Address | None) -> None:
    async with workshop(tmp_path, address=shop_address) as shop:
        _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
        code, right = card.old.code.expose(), card.right[Proof.SALE_SECRET]
        await _wrong(shop, code, FREE)
    async with workshop(tmp_path, address=shop_address) as shop:
        assert not (await Claimant(shop).claim(code, right)).done
        shop.clock.advance(60)
        assert (await Claimant(shop).claim(code, right)).done


async def test_a_proof_of_purchase_is_neither_counted_nor_waited_for(shop: Workshop) -> None:
    desk, incident, (card,) = await leaked(shop, Proof.SALE_SECRET)
    code = card.old.code.expose()
    await _wrong(shop, code, FREE)
    await desk.offer(incident, Proof.PURCHASE)
    assert (await Claimant(shop).claim(code, card.right[Proof.PURCHASE])).done


@pytest.mark.parametrize("column", ["failures", "last_ms"])
async def test_a_count_that_was_edited_gives_nothing_out(shop: Workshop, column: str) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    code = card.old.code.expose()
    await _wrong(shop, code, FREE)
    (row,) = shop.database.rows("attempt", card_id=card.card_id)
    shop.database.put("attempt", row["rowid"], **{column: 0})
    shop.clock.advance(DAY)
    claimed = await Claimant(shop).claim(code, card.right[Proof.SALE_SECRET])
    assert (claimed.done, claimed.detail, claimed.card_id) == (False, Detail.INTEGRITY, b"")
