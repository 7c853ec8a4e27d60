"""Every method leaves its event: with its cards, in its transaction, without a code."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.audit.chains import verify_chains
from tests.audit.methods import DELIVERING, NAMING_ONE, READS, REQUEST, WRITES, World, make_world
from tests.service.invariants import check_invariants
from tests.service.wrapped import SilencedStore
from tests.workshop import PRINCIPAL, Workshop, workshop
from vault.errors import FailedPrecondition, PermissionDenied, Unavailable
from vault.stores.protocol import Store

METHODS = {**READS, **WRITES}


def _named(world: World, method: str) -> set[bytes]:
    """Return the cards that a method was called for."""
    shop = world.shop
    if method in NAMING_ONE:
        card = {"ActivateCards": world.unsold, "ReverseRedemption": world.spent}.get(method, world.sold)
        return {card.card_id}
    if method == "IssueCards":
        return {row["card_id"] for row in shop.database.rows("card")[-2:]}
    if method == "ListCards":
        return {row["card_id"] for row in shop.database.rows("card")}
    return set()


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_leaves_an_event_that_names_its_cards(shop: Workshop, method: str) -> None:
    world = await make_world(shop)
    before = shop.database.count("audit_event")
    call = shop.call(method, request_id=REQUEST)
    await METHODS[method](world, call)
    assert shop.database.count("audit_event") == before + (2 if method == "ExportBatch" else 1)
    event = [event for event in await shop.all_events() if event.action == call.method][-1]
    assert {item.card_id for item in event.items} == _named(world, method)
    assert (event.principal, event.correlation_id, event.status) == (PRINCIPAL, call.correlation_id, "OK")
    assert event.delivered == (method in DELIVERING)
    assert all(bool(item.tag_after) == (method in WRITES) for item in event.items)
    tags = {card["card_id"]: card["tag"] for card in shop.database.rows("card")}
    assert all(item.tag_after == tags[item.card_id] for item in event.items if item.tag_after)
    await check_invariants(shop)


@pytest.mark.parametrize("method", METHODS)
async def test_nothing_is_done_or_answered_whose_event_cannot_be_written(tmp_path: Path, method: str) -> None:
    stores: list[SilencedStore] = []

    def silencing(store: Store) -> Store:
        stores.append(SilencedStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=silencing) as shop:
        world = await make_world(shop)
        await shop.parts.budget.reserve("netcash", 10_000)
        before = shop.database.dump()
        stores[0].silenced = True
        with pytest.raises(Unavailable):
            await METHODS[method](world, shop.call(method, request_id=REQUEST))
        assert shop.database.dump() == before
        stores[0].silenced = False
        await METHODS[method](world, shop.call(method, request_id=REQUEST))
        await check_invariants(shop)


def _forms(digits: str) -> Iterator[bytes]:
    """Write a code in every way that it might be kept in by mistake."""
    number = int(digits)
    yield digits.encode()
    yield digits[::-1].encode()
    yield bytes.fromhex(digits)
    yield number.to_bytes(8, "big").lstrip(b"\0")
    yield number.to_bytes(8, "little").rstrip(b"\0")
    yield digits.encode().hex().encode()


async def test_no_event_and_no_kept_result_holds_a_code(shop: Workshop) -> None:
    world = await make_world(shop)
    for name, method in METHODS.items():
        if name in ("StopProgram", "WithdrawBatch", "DeactivateCards", "SuspendCards", "CloseCards"):
            continue  # the others could not follow
        await method(world, shop.call(name, body=world.sold.code.expose()))
    codes = [code.code.expose().decode() for code in world.codes]
    for batch_id in (world.ready,):
        codes += [entry.code for entry in shop.entries((await shop.package(batch_id)).data)]
    kept = [row["event"] for row in shop.database.rows("audit_event")]
    kept += [row["result"] for row in shop.database.rows("request")]
    assert len(kept) > 30
    for data in kept:
        assert not any(form in data for code in codes for form in _forms(code))


async def test_a_search_for_codes_in_events_finds_one_that_was_planted(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    digits = code.code.expose().decode()
    await shop.programs.turn(shop.call(), "netcash", "stop", note=digits, etag="")
    events = [row["event"] for row in shop.database.rows("audit_event")]
    assert any(form in data for data in events for form in _forms(digits))


async def test_work_that_fails_leaves_no_event_but_its_refusal_does(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    before = shop.database.count("audit_event")
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue()
    assert shop.database.count("audit_event") == before
    call = shop.call("Issue", request_id=REQUEST)
    await shop.recorder.refuse(call, refused.value, "FAILED_PRECONDITION")
    await shop.recorder.refuse(call, PermissionDenied("no"), "PERMISSION_DENIED")
    events = (await shop.all_events())[-2:]
    assert [(e.action, e.status, e.reason, e.request_id) for e in events] == [
        (call.method, "FAILED_PRECONDITION", "CLEAR_DELIVERY_OFF", str(REQUEST)),
        (call.method, "PERMISSION_DENIED", "PERMISSION_DENIED", str(REQUEST)),
    ]
    assert len(await verify_chains(shop)) >= 1
