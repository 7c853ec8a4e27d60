"""Uses of superseded codes: counted without keeping anybody waiting, and never forgotten by a failed write."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from tests.contracts.faults import FaultyStore
from tests.service.reissue import reissue
from tests.workshop import Workshop, workshop
from vault.errors import IntegrityFailure, Unavailable
from vault.model.states import CardState, Detail
from vault.service.answering import superseded
from vault.service.issuing.issue import CardPlan
from vault.stores.protocol import Store

ACTIVE = CardPlan(state=CardState.ACTIVE)


async def _superseded(shop: Workshop) -> tuple[bytes, bytes]:
    """Re-issue a card, and return its id and its first code."""
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    await reissue(shop, code.card_id)
    return code.card_id, code.code.expose()


def _uses(shop: Workshop) -> list[tuple[bytes, int, int]]:
    return [(row["card_id"], row["generation"], row["uses"]) for row in shop.database.rows("superseded_use")]


async def test_uses_are_counted_by_code_with_the_first_and_the_last(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue(plan=ACTIVE)).codes
    card_id, old = code.card_id, code.code.expose()
    newer, _ = await reissue(shop, card_id)
    await reissue(shop, card_id)
    began = shop.clock()
    await shop.judge(old, old, newer)
    assert not _uses(shop), "an answer waits for no count"
    await shop.superseded.flush()
    shop.clock.advance(5)
    (judgement,) = await shop.restarted().judge(old)
    assert (judgement.detail, judgement.generation) == (Detail.SUPERSEDED, 1)
    other = shop.restarted()
    await other.judge(old)
    await other.superseded.flush()
    await shop.superseded.flush()
    first, second = shop.database.rows("superseded_use")
    assert (first["card_id"], first["generation"], first["uses"]) == (card_id, 1, 3)
    assert (first["first_ms"], first["last_ms"]) == (began, began + 5000)
    assert (second["card_id"], second["generation"], second["uses"]) == (card_id, 2, 1)


async def test_a_redemption_of_a_superseded_code_counts_and_its_retry_does_not(shop: Workshop) -> None:
    await shop.program(single_use=True)
    card_id, old = await _superseded(shop)
    call = shop.call("Redeem", request_id=uuid4())
    for _ in range(2):
        assert (await shop.redemptions.redeem(call, "netcash", old)).detail == Detail.SUPERSEDED
    await shop.superseded.flush()
    assert _uses(shop) == [(card_id, 1, 1)]


async def test_codes_that_are_not_superseded_do_not_count(shop: Workshop) -> None:
    await shop.program()
    await shop.judge((await shop.issue(plan=ACTIVE)).codes[0].code.expose(), b"1" * 16)
    await shop.superseded.flush()
    assert not _uses(shop)


async def test_they_are_written_in_the_background(shop: Workshop) -> None:
    await shop.program()
    card_id, old = await _superseded(shop)
    task = asyncio.create_task(shop.superseded.run())
    await shop.judge(old)
    async with asyncio.timeout(60):
        while not _uses(shop):  # noqa: ASYNC110  the database tells nobody
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert _uses(shop) == [(card_id, 1, 1)]


async def test_many_are_written_in_pieces(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.program()
    monkeypatch.setattr(superseded, "PIECE", 2)
    cards = [await _superseded(shop) for _ in range(5)]
    await shop.judge(*(code for _, code in cards))
    await shop.superseded.flush()
    assert sorted(_uses(shop)) == sorted((card_id, 1, 1) for card_id, _ in cards)


async def test_what_could_not_be_written_is_written_later(tmp_path: Path) -> None:
    stores: list[FaultyStore] = []

    def wrap(store: Store) -> Store:
        stores.append(FaultyStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=wrap) as shop:
        await shop.program()
        card_id, old = await _superseded(shop)
        await shop.judge(old)
        stores[0].fail_at = stores[0].calls + 2
        with pytest.raises(Unavailable):
            await shop.superseded.flush()
        await shop.judge(old)
        await shop.superseded.flush()
        assert _uses(shop) == [(card_id, 1, 2)]


async def test_a_forged_count_is_refused_and_nothing_is_forgotten(shop: Workshop) -> None:
    await shop.program()
    _, old = await _superseded(shop)
    await shop.judge(old)
    await shop.superseded.flush()
    (row,) = shop.database.rows("superseded_use")
    shop.database.put("superseded_use", row["rowid"], uses=0)
    await shop.judge(old)
    with pytest.raises(IntegrityFailure):
        await shop.superseded.flush()
    shop.database.put("superseded_use", row["rowid"], uses=1)
    await shop.superseded.flush()
    assert shop.database.rows("superseded_use")[0]["uses"] == 2
