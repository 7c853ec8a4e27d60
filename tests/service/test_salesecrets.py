"""Secrets that are stored when cards are sold."""

from uuid import uuid4

import pytest

from tests.service.exchanging import SECRET
from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.errors import FailedPrecondition, IntegrityFailure, InvalidInput
from vault.model.incident_rows import SaleSecretRow
from vault.model.states import CardState, ChangeOutcome
from vault.secret import Secret
from vault.service import rules
from vault.service.exchanging.salesecrets import is_secret
from vault.service.select import Selector

OTHER = Secret(b"another buyer's")
P = "netcash"


async def _stored(shop: Workshop, card_id: bytes) -> SaleSecretRow | None:
    return (await shop.store.read(lambda tx: tx.exchanges.sale_secrets(P, [card_id]))).get(card_id)


async def _is(shop: Workshop, card_id: bytes, shown: Secret) -> bool:
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    return is_secret(snapshot, await _stored(shop, card_id), shown)


async def _cards(shop: Workshop, count: int = 1) -> list[bytes]:
    await shop.program()
    return [code.card_id for code in (await shop.issue(count)).codes]


def _selectors(*cards: bytes) -> list[Selector]:
    return [Selector(card) for card in cards]


async def test_a_secret_is_stored_with_the_sale_and_encrypted(shop: Workshop) -> None:
    card, plain = await _cards(shop, 2)
    await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(card), [SECRET])
    await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(plain))
    assert await _is(shop, card, SECRET)
    assert not await _is(shop, card, OTHER)
    assert not await _is(shop, card, Secret(b""))
    assert not await _is(shop, plain, SECRET)
    assert not await _is(shop, plain, Secret(bytes(8)))  # what the stand-in holds
    (row,) = shop.database.rows("sale_secret")
    assert (row["card_id"], row["secret_version"]) == (card, 1)
    assert SECRET.expose() not in b"".join(value for value in row.values() if isinstance(value, bytes))
    assert await check_invariants(shop) == 2


async def test_only_cards_that_this_call_sells_get_a_secret(shop: Workshop) -> None:
    sold, new, closed = await _cards(shop, 3)
    await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(sold), [SECRET])
    await shop.change(rules.turn("close"), closed)
    cards = _selectors(sold, new, closed, new, bytes(16))
    changes = await shop.sales.activate(shop.call("ActivateCards"), P, cards, [OTHER, SECRET, OTHER, OTHER, OTHER])
    assert [change.outcome for change in changes] == [
        ChangeOutcome.DONE,
        ChangeOutcome.DONE,
        ChangeOutcome.WRONG_STATE,
        ChangeOutcome.REPEATED,
        ChangeOutcome.NOT_FOUND,
    ]
    assert await _is(shop, sold, SECRET)  # whoever sells again what is sold replaces nothing
    assert await _is(shop, new, SECRET)
    assert await _stored(shop, closed) is None
    assert shop.database.count("sale_secret") == 2


@pytest.mark.parametrize("count", [1, 3])
async def test_there_are_as_many_secrets_as_cards_or_none(shop: Workshop, count: int) -> None:
    cards = await _cards(shop, 2)
    with pytest.raises(InvalidInput) as refused:
        await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(*cards), [SECRET] * count)
    assert (refused.value.reason, refused.value.field) == ("SALE_SECRETS", "sale_secrets")
    assert SECRET.expose().decode() not in str(refused.value)
    assert not shop.database.rows("card", state=CardState.ACTIVE)


async def test_an_undone_sale_voids_the_secret_and_a_new_one_replaces_it(shop: Workshop) -> None:
    (card,) = await _cards(shop)
    versions = []
    for secret in (SECRET, None, OTHER):
        secrets = [] if secret is None else [secret]
        await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(card), secrets)
        row = await _stored(shop, card)
        assert row is not None
        versions.append(row.secret_version)
        assert await _is(shop, card, SECRET) == (secret is SECRET)
        assert await _is(shop, card, OTHER) == (secret is OTHER)
        (change,) = await shop.sales.deactivate(shop.call("DeactivateCards"), P, _selectors(card))
        assert change.outcome == ChangeOutcome.DONE
        assert not await _is(shop, card, SECRET)
        assert not await _is(shop, card, Secret(b""))
    assert versions == [1, 2, 4]
    assert await check_invariants(shop) == 1


async def test_an_undone_sale_without_a_secret_stores_none(shop: Workshop) -> None:
    (card,) = await _cards(shop)
    await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(card))
    await shop.sales.deactivate(shop.call("DeactivateCards"), P, _selectors(card))
    assert shop.database.count("sale_secret") == 0


async def test_a_retried_sale_stores_its_secrets_once(shop: Workshop) -> None:
    (card,) = await _cards(shop)
    call = shop.call("ActivateCards", request_id=uuid4())
    answers = [await shop.sales.activate(call, P, _selectors(card), [SECRET]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert [row["secret_version"] for row in shop.database.rows("sale_secret")] == [1]


async def test_a_stopped_program_sells_nothing_and_stores_nothing(shop: Workshop) -> None:
    (card,) = await _cards(shop)
    await shop.programs.turn(shop.call(), P, "stop", note="", etag="")
    with pytest.raises(FailedPrecondition):
        await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(card), [SECRET])
    assert shop.database.count("sale_secret") == 0


async def test_a_thousand_cards_are_sold_with_their_secrets_at_once(shop: Workshop) -> None:
    cards = await _cards(shop, 1000)
    secrets = [Secret(f"secret {place}".encode()) for place in range(1000)]
    changes = await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(*cards), secrets)
    assert {change.outcome for change in changes} == {ChangeOutcome.DONE}
    assert await _is(shop, cards[700], secrets[700])
    assert not await _is(shop, cards[700], secrets[701])


@pytest.mark.parametrize("column", ["sealed_secret", "wrapped_secret_key", "secret_version"])
async def test_a_secret_that_was_edited_is_refused(shop: Workshop, column: str) -> None:
    (card,) = await _cards(shop)
    await shop.sales.activate(shop.call("ActivateCards"), P, _selectors(card), [SECRET])
    (row,) = shop.database.rows("sale_secret")
    edited = 2 if column == "secret_version" else row[column][:-1] + bytes([row[column][-1] ^ 1])
    shop.database.put("sale_secret", row["rowid"], **{column: edited})
    with pytest.raises(IntegrityFailure):
        await _is(shop, card, SECRET)


async def test_every_secret_counts_against_the_bound_of_its_key(shop: Workshop) -> None:
    (card,) = await _cards(shop)
    (before,) = shop.database.rows("key_use", program=P)
    narrow = shop.restarted(bound=1 << 31)
    await narrow.sales.activate(narrow.call("ActivateCards"), P, _selectors(card), [SECRET])
    (after,) = shop.database.rows("key_use", program=P)
    assert after["reserved"] > before["reserved"]
