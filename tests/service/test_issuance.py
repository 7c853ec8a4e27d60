"""Issuing cards at once: delivery, retries, refusals."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from tests.service.invariants import check_invariants
from tests.service.wrapped import CountingStore
from tests.workshop import START_MS, Workshop, workshop
from vault.client.package import open_package
from vault.errors import AlreadyExists, FailedPrecondition, IntegrityFailure, InvalidInput, NotFound, Unavailable
from vault.model.states import CardState, Detail
from vault.secret import Secret
from vault.service import rules
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.issuing.preparation import ATTEMPTS, until_fresh
from vault.service.select import Selector
from vault.stores.protocol import Transaction

T = TypeVar("T")

SEALED = Delivery("printer")


async def test_cards_are_issued_in_the_plans_order_with_all_they_were_given(shop: Workshop) -> None:
    await shop.program()
    plans = [
        CardPlan("first", b"payload", START_MS + 5000),
        CardPlan("second", state=CardState.ACTIVE),
    ]
    first, second = (await shop.issuance.issue(shop.call(), "netcash", plans, Delivery())).codes
    view = await shop.cards.get(shop.call(), "netcash", Selector(first.card_id))
    assert (view.row.reference, view.row.expires_ms, view.row.state) == ("first", START_MS + 5000, CardState.INACTIVE)
    assert view.serial == first.serial
    assert (await shop.records.get(shop.call(), "netcash", Selector(first.card_id))).payload == b"payload"
    view = await shop.cards.get(shop.call(), "netcash", Selector(serial=second.serial))
    assert (view.row.reference, view.row.state, view.row.activated_ms) == ("second", CardState.ACTIVE, START_MS)
    assert [j.detail for j in await shop.judge(second.code.expose())] == [Detail.GOOD]


async def test_codes_are_not_delivered_in_clear_where_the_program_does_not_allow_it(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue()
    assert refused.value.reason == "CLEAR_DELIVERY_OFF"
    assert shop.database.count("card") == 0


async def test_a_package_opened_with_the_recipients_key_holds_the_codes(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    plans = [CardPlan(expires_ms=START_MS + 60_000)] * 3
    delivered = await shop.issuance.issue(shop.call(), "netcash", plans, SEALED)
    assert not delivered.in_clear
    entries = shop.entries(delivered.package)
    assert [entry.serial for entry in entries] == [code.serial for code in delivered.codes]
    assert {entry.expire_time_seconds for entry in entries} == {START_MS // 1000 + 60}
    judged = await shop.judge(*(entry.code.encode() for entry in entries))
    assert [j.card.card_id for j in judged if j.card] == [code.card_id for code in delivered.codes]
    with pytest.raises(IntegrityFailure):
        list(open_package([delivered.package], Secret(os.urandom(32))))


async def test_a_package_goes_to_registered_recipients_only(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    with pytest.raises(NotFound) as refused:
        await shop.issuance.issue(shop.call(), "netcash", [CardPlan()], Delivery("nobody"))
    assert refused.value.reason == "RECIPIENT_NOT_FOUND"
    assert shop.database.count("card") == 0


async def test_a_retry_gets_the_same_cards_and_codes(shop: Workshop) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4(), body=b"body")
    first = await shop.issue(3, call=call)
    again = await shop.issue(3, call=call)
    assert [(c.card_id, c.serial, c.code.expose()) for c in again.codes] == [
        (c.card_id, c.serial, c.code.expose()) for c in first.codes
    ]
    assert await check_invariants(shop) == 3
    delivered = [(e.reason, len(e.items)) for e in await shop.all_events() if e.delivered]
    assert delivered == [("", 3), ("RETRIED", 3)]


async def test_a_retry_to_a_recipient_is_sealed_again(shop: Workshop) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4())
    one, two = [await shop.issuance.issue(call, "netcash", [CardPlan()], SEALED) for _ in range(2)]
    assert one.package != two.package
    assert shop.entries(one.package) == shop.entries(two.package)


@pytest.mark.parametrize("change", ["body", "method"])
async def test_another_request_under_the_same_id_is_refused(shop: Workshop, change: str) -> None:
    await shop.program()
    request_id = uuid4()
    await shop.issue(call=shop.call("Issue", request_id=request_id, body=b"body"))
    other = shop.call("Issue" if change == "body" else "Else", request_id=request_id, body=b"body"[: change != "body"])
    with pytest.raises(AlreadyExists) as refused:
        await shop.issue(call=other)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    assert shop.database.count("card") == 1


async def test_the_same_id_of_another_principal_is_another_request(shop: Workshop) -> None:
    await shop.program()
    request_id = uuid4()
    for principal in ("spiffe://test/one", "spiffe://test/other"):
        await shop.issue(call=shop.call(request_id=request_id, principal=principal))
    assert shop.database.count("card") == 2


@pytest.mark.parametrize("born", [CardState.INACTIVE, CardState.ACTIVE])
@pytest.mark.parametrize("steps", [("on",), ("on", "off"), ("off",), ("off", "on"), ("close",)])
async def test_a_retry_after_a_card_was_sold_or_given_back_is_refused(
    shop: Workshop, born: CardState, steps: tuple[str, ...]
) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4())
    plan = CardPlan(state=born)
    issued = await shop.issue(2, call=call, plan=plan)
    verbs = {"on": rules.activate, "off": rules.deactivate, "close": rules.turn("close")}
    for step in steps:
        await shop.change(verbs[step], issued.codes[1].card_id)
    if steps == (("off",) if born is CardState.INACTIVE else ("on",)):
        assert len((await shop.issue(2, call=call, plan=plan)).codes) == 2  # nothing came of it
        return
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue(2, call=call, plan=plan)
    assert refused.value.reason == "DELIVERY_PASSED"


async def test_a_retry_is_refused_once_clear_delivery_is_off_or_the_program_stopped(shop: Workshop) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4())
    await shop.issue(call=call)
    await shop.programs.update(shop.call(), "netcash", {"clear_delivery": 0}, "")
    with pytest.raises(FailedPrecondition, match="in clear"):
        await shop.issue(call=call)
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    with pytest.raises(FailedPrecondition, match="stopped"):
        await shop.issue(call=call)


async def test_a_thousand_concurrent_duplicates_have_one_effect(shop: Workshop) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4(), body=b"body")
    issued = await asyncio.gather(*(shop.issue(2, call=call) for _ in range(1000)))
    assert len({tuple(code.code.expose() for code in one.codes) for one in issued}) == 1
    assert await check_invariants(shop) == 2


@pytest.mark.parametrize("expires_ms", [START_MS - 1, START_MS])
async def test_an_expiry_that_is_not_in_the_future_is_refused(shop: Workshop, expires_ms: int) -> None:
    await shop.program()
    plans = [CardPlan(), CardPlan(expires_ms=expires_ms)]
    with pytest.raises(InvalidInput) as refused:
        await shop.issuance.issue(shop.call(), "netcash", plans, Delivery())
    assert (refused.value.reason, refused.value.field) == ("EXPIRY_PAST", "cards[1].expire_time")
    assert shop.database.count("card") == 0


@pytest.mark.parametrize(("verb", "reason"), [("stop", "PROGRAM_STOPPED"), ("close", "PROGRAM_CLOSED")])
async def test_no_cards_are_issued_in_a_program_that_does_not_run(shop: Workshop, verb: str, reason: str) -> None:
    await shop.program()
    await shop.programs.turn(shop.call(), "netcash", verb, note="", etag="")
    with pytest.raises(FailedPrecondition) as refused:
        await shop.issue()
    assert refused.value.reason == reason


async def test_cards_prepared_before_a_program_changed_are_prepared_again(shop: Workshop) -> None:
    await shop.program()
    calls = [shop.issue(5) for _ in range(10)]
    changes = [
        shop.programs.update(shop.call(), "netcash", {"display_name": f"name {number}"}, "") for number in range(10)
    ]
    await asyncio.gather(*calls, *changes)
    assert await check_invariants(shop) == 50


async def test_a_retry_for_a_card_that_is_gone_is_refused(shop: Workshop) -> None:
    await shop.program()
    call = shop.call("Issue", request_id=uuid4())
    await shop.issue(2, call=call)
    shop.database.delete("card", shop.database.rows("card")[0]["rowid"])
    with pytest.raises(IntegrityFailure) as refused:
        await shop.issue(2, call=call)
    assert refused.value.reason == "CARD_MISSING"


async def test_a_retry_whose_request_is_swept_under_way_is_a_new_request(tmp_path: Path) -> None:
    async with workshop(tmp_path, wrap=Sweeping) as shop:
        await shop.program()
        call = shop.call("Issue", request_id=uuid4())
        first = await shop.issue(call=call)
        assert isinstance(shop.store, Sweeping)
        shop.store.sweeps = 1
        second = await shop.issue(call=call)
        assert first.codes[0].card_id != second.codes[0].card_id
        assert await check_invariants(shop) == 2


class Sweeping(CountingStore):
    """A store that sweeps requests right after they were looked for."""

    sweeps = 0

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Read, then sweep."""
        result = await super().read(work)
        if self.sweeps:
            self.sweeps -= 1
            await self.transact(lambda tx: tx.requests.sweep(START_MS + 1, 10))
        return result


async def test_cards_prepared_under_other_keys_are_not_written(shop: Workshop) -> None:
    await shop.program()
    prepared = await shop.parts.preparation.prepare("netcash", [CardPlan()])
    await shop.program("other")
    with pytest.raises(Unavailable) as refused:
        await shop.store.transact(lambda tx: shop.parts.issuer.claim(shop.recorder.scope(tx), prepared))
    assert refused.value.reason == "STALE"


async def test_what_is_always_stale_is_given_up() -> None:
    attempts: list[str] = []

    async def attempt() -> None:
        attempts.append("STALE" if len(attempts) < 20 else "DOWN")
        raise Unavailable("not now", reason=attempts[-1])

    with pytest.raises(Unavailable) as refused:
        await until_fresh(attempt)
    assert (len(attempts), refused.value.reason) == (ATTEMPTS, "UNAVAILABLE")
    attempts += ["STALE"] * 20
    with pytest.raises(Unavailable) as refused:
        await until_fresh(attempt)
    assert refused.value.reason == "DOWN"


async def test_no_text_of_a_delivery_shows_a_code(shop: Workshop) -> None:
    await shop.program()
    delivered = await shop.issue(2)
    for code in delivered.codes:
        assert code.code.expose().decode() not in repr(delivered)
