"""Bulk changes: selection, windows, masks, etags, dry runs, retries."""

import asyncio
from uuid import uuid4

import pytest

from tests.service.reissue import reissue
from tests.workshop import START_MS, Workshop
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound
from vault.model.states import BatchState, CardState, ChangeOutcome, Usage
from vault.service import rules
from vault.service.change import Change, Order
from vault.service.issuing.batches import BatchView
from vault.service.issuing.issue import CardPlan
from vault.service.rules import CardValues
from vault.service.select import Selector, card_id_of

DONE = ChangeOutcome.DONE


async def _apply(shop: Workshop, selectors: list[Selector], **order: object) -> list[Change]:
    wanted = Order("netcash", selectors, **{"rule": rules.activate, **order})  # type: ignore[arg-type]
    return await shop.changes.apply(shop.call(), wanted)


async def test_items_are_answered_in_order_and_each_for_itself(shop: Workshop) -> None:
    await shop.program()
    first, second, closed = (await shop.issue(3)).codes
    await shop.change(rules.turn("close"), closed.card_id)
    changes = await _apply(
        shop,
        [
            Selector(serial=second.serial),
            Selector(bytes(16)),
            Selector(first.card_id),
            Selector(second.card_id),
            Selector(closed.card_id),
        ],
    )
    assert [change.outcome.name for change in changes] == ["DONE", "NOT_FOUND", "DONE", "REPEATED", "WRONG_STATE"]
    assert changes[1] == Change(ChangeOutcome.NOT_FOUND)


async def test_a_serial_is_found_however_it_is_typed_and_a_wrong_one_is_refused(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    typed = " ".join(code.serial.lower())
    assert [change.outcome for change in await _apply(shop, [Selector(serial=typed)])] == [DONE]
    wrong = code.serial[:-1] + ("0" if code.serial[-1] != "0" else "1")
    with pytest.raises(InvalidInput) as refused:
        await _apply(shop, [Selector(serial=wrong)])
    assert refused.value.reason == "SERIAL_MALFORMED"


async def test_a_card_of_another_program_is_not_found(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    (code,) = (await shop.issue(program="other")).codes
    changes = await _apply(shop, [Selector(code.card_id), Selector(serial=code.serial)])
    assert {change.outcome for change in changes} == {ChangeOutcome.NOT_FOUND}


async def test_an_old_generations_serial_does_not_activate(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    _, serial = await reissue(shop, code.card_id)
    (change,) = await _apply(shop, [Selector(serial=code.serial)], current_serial=True)
    assert change.outcome == ChangeOutcome.OLD_SERIAL
    (change,) = await _apply(shop, [Selector(serial=serial)], current_serial=True)
    assert change.outcome == DONE


async def test_a_sale_can_be_undone_until_its_window_closes(shop: Workshop) -> None:
    await shop.program(activation_undo_seconds=60)
    one, other = [code.card_id for code in (await shop.issue(2)).codes]
    await shop.change(rules.activate, one, other)
    shop.clock.advance(60)
    assert (await shop.change(rules.deactivate, one))[0].outcome == DONE
    shop.clock.advance(0.001)
    assert (await shop.change(rules.deactivate, other))[0].outcome == ChangeOutcome.WINDOW_PASSED
    await shop.change(rules.activate, one)
    assert (await shop.change(rules.deactivate, one))[0].outcome == DONE


async def test_a_sale_that_was_used_is_not_undone(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    await shop.change(rules.activate, code.card_id)
    await shop.change(rules.mark([Usage.IN_USE]), code.card_id)
    assert (await shop.change(rules.deactivate, code.card_id))[0].outcome == ChangeOutcome.WRONG_STATE


async def test_an_expired_card_is_not_sold(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue(plan=CardPlan(expires_ms=START_MS + 1000))).codes
    shop.clock.advance(1)
    assert (await shop.change(rules.activate, code.card_id))[0].outcome == ChangeOutcome.EXPIRED


@pytest.mark.parametrize("end", ["cancel", "withdraw"])
async def test_cards_of_an_ended_batch_are_not_sold_even_before_they_are_closed(shop: Workshop, end: str) -> None:
    await shop.program()
    view = await shop.issued_batch(3)
    ids = [card["card_id"] for card in shop.database.rows("card")]
    if end == "withdraw":
        assert (await shop.change(rules.activate, ids[0]))[0].outcome == DONE
    ended = await getattr(shop.batches, end)(shop.call(), "netcash", view.row.batch_id, "", validate_only=False)
    assert isinstance(ended.view, BatchView)
    assert ended.view.row.state in (BatchState.CANCELLED, BatchState.WITHDRAWN)
    assert (await shop.change(rules.activate, ids[1]))[0].outcome == ChangeOutcome.WRONG_STATE
    if end == "withdraw":
        assert (await shop.change(rules.activate, ids[0]))[0].outcome == DONE


async def test_only_sold_cards_are_marked(shop: Workshop) -> None:
    await shop.program()
    unsold, one, two = [code.card_id for code in (await shop.issue(3)).codes]
    await shop.change(rules.activate, one, two)
    await shop.change(rules.turn("suspend"), two)
    usages = [Usage.EMPTY, Usage.IN_USE, Usage.EMPTY]
    changes = await shop.change(rules.mark(usages), unsold, one, two)
    assert [change.outcome for change in changes] == [ChangeOutcome.WRONG_STATE, DONE, DONE]
    assert [card["usage"] for card in shop.database.rows("card", state=CardState.ACTIVE)] == [Usage.IN_USE]
    again = await shop.change(rules.mark(usages), unsold, one, two)
    assert again == changes


async def test_an_update_changes_what_its_mask_names_and_only_that(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue(plan=CardPlan("before", expires_ms=START_MS + 5000))).codes
    for columns, expected in (
        ({"reference": "after"}, ("after", START_MS + 5000)),
        ({"expires_ms": None}, ("after", None)),
        ({"reference": "", "expires_ms": START_MS + 9000}, ("", START_MS + 9000)),
    ):
        await shop.change(rules.update([CardValues(columns)]), code.card_id)
        (row,) = shop.database.rows("card")
        assert (row["reference"], row["expires_ms"]) == expected
    assert row["revision"] == 4


async def test_an_update_with_an_old_etag_is_refused(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    rule = rules.update([CardValues({"reference": "new"}, "r1")])
    assert [(c.outcome, c.etag) for c in await shop.change(rule, code.card_id)] == [(DONE, "r2")]
    assert [c.outcome for c in await shop.change(rule, code.card_id)] == [ChangeOutcome.ETAG_MISMATCH]
    same = rules.update([CardValues({"reference": "new"}, "r2")])
    assert [(c.outcome, c.etag) for c in await shop.change(same, code.card_id)] == [(DONE, "r2")]


async def test_a_closed_card_is_not_updated(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    await shop.change(rules.turn("close"), code.card_id)
    rule = rules.update([CardValues({"reference": "new"})])
    assert [c.outcome for c in await shop.change(rule, code.card_id)] == [ChangeOutcome.WRONG_STATE]


async def test_a_dry_run_checks_everything_and_changes_nothing(shop: Workshop) -> None:
    await shop.program()
    one, two = [code.card_id for code in (await shop.issue(2)).codes]
    await shop.change(rules.turn("close"), two)
    before = shop.database.dump()
    call = shop.call(request_id=uuid4())
    order = Order("netcash", [Selector(one), Selector(two), Selector(bytes(16))], rules.activate, validate_only=True)
    for _ in range(2):
        changes = await shop.changes.apply(call, order)
        assert [c.outcome.name for c in changes] == ["DONE", "WRONG_STATE", "NOT_FOUND"]
    after = shop.database.dump()
    events = after.pop("audit_event")
    assert len(events) == len(before.pop("audit_event")) + 2
    assert after == before
    event = (await shop.all_events())[-2]
    assert event.reason == "VALIDATE_ONLY"
    assert not any(item.tag_before or item.tag_after for item in event.items)
    changes = await shop.changes.apply(call, order._replace(validate_only=False))
    assert [c.outcome.name for c in changes] == ["DONE", "WRONG_STATE", "NOT_FOUND"]
    assert shop.database.rows("card", card_id=one)[0]["state"] == CardState.ACTIVE


async def test_a_retry_gets_the_first_answer_and_changes_nothing(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    call = shop.call(request_id=uuid4())
    order = Order("netcash", [Selector(code.card_id), Selector(bytes(16))], rules.activate)
    first = await shop.changes.apply(call, order)
    await shop.change(rules.turn("suspend"), code.card_id)
    cards = shop.database.rows("card")
    assert await shop.changes.apply(call, order) == first
    assert shop.database.rows("card") == cards
    assert (await shop.all_events())[-1].reason == "RETRIED"
    with pytest.raises(AlreadyExists):
        await shop.changes.apply(call._replace(body=b"other"), order)


async def test_concurrent_changes_of_a_card_happen_one_after_the_other(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    await asyncio.gather(*(shop.change(rules.activate, code.card_id) for _ in range(50)))
    assert shop.database.rows("card")[0]["revision"] == 2


async def test_changes_need_a_program_that_is_there_and_open(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue()).codes
    with pytest.raises(NotFound):
        await shop.change(rules.activate, code.card_id, program="nowhere")
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    with pytest.raises(FailedPrecondition, match="stopped"):
        await shop.change(rules.activate, code.card_id, needs_running=True)
    assert (await shop.change(rules.activate, code.card_id))[0].outcome == DONE
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    with pytest.raises(FailedPrecondition, match="closed"):
        await shop.change(rules.turn("suspend"), code.card_id)


def test_a_card_id_is_the_uuids_bytes() -> None:
    known = uuid4()
    assert card_id_of(str(known)) == known.bytes
