"""Records: put, opened, bound to their card and version."""

import os
from uuid import uuid4

import pytest

from tests.workshop import Workshop
from vault.errors import Conflict, FailedPrecondition, IntegrityFailure, NotFound
from vault.service import rules
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector


async def _cards(shop: Workshop, *payloads: bytes | None) -> list[Selector]:
    await shop.program()
    return [Selector((await shop.issue(plan=CardPlan(payload=payload))).codes[0].card_id) for payload in payloads]


async def _payload(shop: Workshop, card: Selector) -> bytes:
    return (await shop.records.get(shop.call(), "netcash", card)).payload


async def test_a_record_is_put_and_opened_in_its_newest_version(shop: Workshop) -> None:
    (card,) = await _cards(shop, None)
    with pytest.raises(NotFound) as refused:
        await _payload(shop, card)
    assert refused.value.reason == "RECORD_NOT_FOUND"
    for version, payload in enumerate((b"one", os.urandom(65536), b"\0"), 1):
        stored = await shop.records.put(shop.call(), "netcash", card, payload, "")
        assert (stored.version, stored.etag) == (version, f"r{version + 1}")
        record = await shop.records.get(shop.call(), "netcash", card)
        assert (record.payload, record.version) == (payload, version)
        assert repr(record) == f"Record(version={version})"
        assert payload not in shop.database.path.read_bytes() or len(payload) < 4


async def test_a_put_with_an_old_etag_is_refused(shop: Workshop) -> None:
    (card,) = await _cards(shop, b"first")
    await shop.records.put(shop.call(), "netcash", card, b"second", "r1")
    with pytest.raises(Conflict) as refused:
        await shop.records.put(shop.call(), "netcash", card, b"third", "r1")
    assert refused.value.reason == "ETAG_MISMATCH"
    assert await _payload(shop, card) == b"second"


async def test_a_retried_put_is_put_once(shop: Workshop) -> None:
    (card,) = await _cards(shop, b"first")
    call = shop.call(request_id=uuid4())
    stored = [await shop.records.put(call, "netcash", card, b"second", "r1") for _ in range(3)]
    assert len(set(stored)) == 1
    assert stored[0].version == 2


async def test_a_closed_card_keeps_its_record_and_takes_no_other(shop: Workshop) -> None:
    (card,) = await _cards(shop, b"first")
    assert card.card_id is not None
    await shop.change(rules.turn("close"), card.card_id)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.records.put(shop.call(), "netcash", card, b"second", "")
    assert refused.value.reason == "CARD_CLOSED"
    assert await _payload(shop, card) == b"first"


async def test_records_of_cards_that_are_not_there_are_not_found(shop: Workshop) -> None:
    (card,) = await _cards(shop, b"first")
    for program, selector in (("nowhere", card), ("netcash", Selector(bytes(16)))):
        with pytest.raises(NotFound):
            await shop.records.get(shop.call(), program, selector)
        with pytest.raises(NotFound):
            await shop.records.put(shop.call(), program, selector, b"x", "")


@pytest.mark.parametrize("columns", [("sealed_record", "wrapped_record_key"), ("sealed_record",)])
async def test_a_record_moved_to_another_card_is_refused(shop: Workshop, columns: tuple[str, ...]) -> None:
    cards = await _cards(shop, b"one's", b"other's")
    one, other = shop.database.rows("card")
    for column in columns:
        shop.database.swap("card", column, one, other)
    for card in cards:
        with pytest.raises(IntegrityFailure):
            await _payload(shop, card)


async def test_an_older_version_of_a_record_put_back_is_refused(shop: Workshop) -> None:
    (card,) = await _cards(shop, b"first")
    (before,) = shop.database.rows("card")
    await shop.records.put(shop.call(), "netcash", card, b"second", "")
    old = {name: before[name] for name in ("sealed_record", "wrapped_record_key")}
    shop.database.put("card", before["rowid"], **old)
    with pytest.raises(IntegrityFailure):
        await _payload(shop, card)
