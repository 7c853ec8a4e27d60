"""Exchanging superseded codes: who gets the successor, and who does not."""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from tests.service.exchanging import DAY, HOUR, SECRET, Claimant, ExchangeDesk, leaked, replaced, sold
from tests.service.reissue import reissue
from tests.workshop import Workshop
from vault.crypto.sealedbox import public_half
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound
from vault.model.states import CardState, Detail, HoldKind, Proof
from vault.secret import Secret
from vault.service import rules
from vault.service.answering.superseded import SupersededUses
from vault.service.exchanging.claims import Shown
from vault.service.exchanging.exchange import Exchanges
from vault.service.issuing.issue import CardPlan

WRONG = {
    Proof.SERIAL: Shown(Proof.SERIAL, Secret(b"A00000000000A")),
    Proof.SALE_SECRET: Shown(Proof.SALE_SECRET, Secret(b"guessed")),
}


@pytest.mark.parametrize("proof", list(Proof))
async def test_the_successor_is_handed_out_for_the_proof_that_is_asked_for(shop: Workshop, proof: Proof) -> None:
    _, incident, (card,) = await leaked(shop, proof)
    holder = Claimant(shop)
    exchanged = await holder.claim(card.old.code.expose(), card.right[proof])
    assert (exchanged.detail, exchanged.card_id, exchanged.generation) == (Detail.GOOD, card.card_id, 2)
    assert exchanged.done
    opened = holder.open(exchanged)
    assert (opened.code.encode(), opened.serial) == (card.code, card.serial)
    assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.GOOD]
    event = (await shop.all_events())[-2]
    assert (event.action, event.delivered, event.subject) == (
        "vault.v1.Test/ExchangeCode",
        True,
        f"incident/{incident.incident_id.hex()}",
    )
    assert [(item.card_id, item.outcome) for item in event.items] == [(card.card_id, "GOOD")]
    (row,) = shop.database.rows("exchange")
    assert (row["generation"], row["incident_id"], row["request_id"]) == (
        2,
        incident.incident_id,
        holder.request_id.bytes,
    )


@pytest.mark.parametrize("asked", list(Proof))
@pytest.mark.parametrize("shown", list(Proof))
async def test_no_other_proof_does(shop: Workshop, asked: Proof, shown: Proof) -> None:
    _, _, (card,) = await leaked(shop, asked)
    exchanged = await Claimant(shop).claim(card.old.code.expose(), card.right[shown])
    assert exchanged.done == (asked is shown)
    if asked is not shown:
        assert exchanged.detail == Detail.SUPERSEDED
        assert (await shop.all_events())[-1].reason == "PROOF_KIND"
        assert not [row for row in shop.database.rows("attempt") if row["failures"]]


@pytest.mark.parametrize("proof", [Proof.SERIAL, Proof.SALE_SECRET])
async def test_a_wrong_proof_gives_nothing(shop: Workshop, proof: Proof) -> None:
    _, _, (card,) = await leaked(shop, proof)
    exchanged = await Claimant(shop).claim(card.old.code.expose(), WRONG[proof])
    assert (exchanged.done, exchanged.detail, exchanged.sealed_code) == (False, Detail.SUPERSEDED, b"")
    event = (await shop.all_events())[-1]
    assert (event.reason, event.delivered) == ("PROOF_WRONG", False)
    assert not shop.database.rows("exchange")


async def test_the_new_serial_is_no_proof(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    shown = Shown(Proof.SERIAL, Secret(card.serial.encode()))
    assert not (await Claimant(shop).claim(card.old.code.expose(), shown)).done


async def test_where_serials_leaked_they_prove_nothing(shop: Workshop) -> None:
    await shop.program()
    (card,) = await sold(shop)
    desk = ExchangeDesk(shop)
    incident = await desk.leak(serials_leaked=True)
    with pytest.raises(FailedPrecondition) as refused:
        await desk.offer(incident, Proof.SERIAL)
    assert refused.value.reason == "SERIALS_LEAKED"
    await replaced(shop, incident, card)
    other = await desk.leak()
    (found,) = await replaced(shop, other, card)
    await desk.offer(other, Proof.SERIAL)  # those of generation 1 leaked none the less
    right = Shown(Proof.SERIAL, Secret(card.serial.encode()))
    assert not (await Claimant(shop).claim(card.code.expose(), right)).done
    await desk.offer(other, Proof.PURCHASE)
    holder = Claimant(shop)
    assert holder.open(await holder.claim(card.code.expose(), Shown(Proof.PURCHASE))).code.encode() == found.code


async def test_the_same_claim_gets_the_same_code_sealed_anew(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Claimant(shop)
    answers = [await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL]) for _ in range(2)]
    await shop.store.transact(lambda tx: tx.requests.sweep(shop.clock() + 1, 1000))
    shop.clock.advance(2 * DAY)
    answers.append(await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL]))
    assert {holder.open(answer).code.encode() for answer in answers} == {card.code}
    assert len({answer.sealed_code for answer in answers}) == 3
    assert shop.database.count("exchange") == 1
    assert not shop.database.rows("hold")


async def test_the_same_claim_is_answered_for_a_day_whatever_becomes_of_the_incident(shop: Workshop) -> None:
    desk, incident, (card,) = await leaked(shop)
    holder = Claimant(shop)
    await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    await desk.end(incident)
    await desk.incidents.close(desk.call("CloseIncident"), "netcash", incident.incident_id, "")
    again = await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert holder.open(again).code.encode() == card.code
    await shop.store.transact(lambda tx: tx.requests.sweep(shop.clock() + 1, 1000))
    assert not (await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])).done


async def test_a_retry_gives_no_code_that_was_superseded_since(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Claimant(shop)
    await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    await reissue(shop, card.card_id)
    with pytest.raises(FailedPrecondition) as refused:
        await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert refused.value.reason == "DELIVERY_PASSED"


async def test_a_request_id_is_for_one_key(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    holder = Claimant(shop)
    await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    call = shop.call("ExchangeCode", request_id=holder.request_id, body=b"another body")
    with pytest.raises(AlreadyExists):
        await shop.exchanges.exchange(
            call, "netcash", card.old.code.expose(), card.right[Proof.SERIAL], bytes(range(1, 33))
        )


@pytest.mark.parametrize("differs", ["request id", "key", "principal"])
async def test_another_claim_contests_the_card(shop: Workshop, differs: str) -> None:
    desk, incident, (card,) = await leaked(shop)
    winner = Claimant(shop)
    await winner.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    other = Claimant(shop, "spiffe://test/other" if differs == "principal" else winner.principal)
    if differs != "request id":
        await shop.store.transact(lambda tx: tx.requests.sweep(shop.clock() + 1, 1000))
        other.request_id = winner.request_id
    if differs != "key":
        other.private_key = winner.private_key
    refused = await other.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert (refused.done, refused.detail, refused.sealed_code) == (False, Detail.FROZEN, b"")
    event = (await shop.all_events())[-1]
    assert (event.reason, event.subject) == ("EXCHANGE_CONTESTED", f"incident/{incident.incident_id.hex()}")
    (hold,) = shop.database.rows("hold")
    assert (hold["kind"], hold["ids"], hold["incident_id"]) == (HoldKind.CONTESTED, card.card_id, incident.incident_id)
    assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.FROZEN]
    assert (await other.claim(card.old.code.expose(), card.right[Proof.SERIAL], fresh=True)).detail == Detail.FROZEN
    assert shop.database.count("hold") == 1
    if differs == "request id":  # the first claim's code is what it was, and good again once the hold is lifted
        again = await winner.claim(card.old.code.expose(), card.right[Proof.SERIAL])
        assert winner.open(again).code.encode() == card.code
    await desk.release(card.card_id)
    assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.GOOD]
    await desk.end(incident)


async def test_the_freeze_does_not_stand_in_the_way_and_holds_the_new_code_until_the_thaw(shop: Workshop) -> None:
    desk, incident, (card,) = await leaked(shop)
    await desk.freeze(incident)
    holder = Claimant(shop)
    exchanged = await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert holder.open(exchanged).code.encode() == card.code
    assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.FROZEN]
    await desk.thaw(incident)
    assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.GOOD]


async def test_another_incidents_freeze_does(shop: Workshop) -> None:
    desk, _, (card,) = await leaked(shop)
    other = await desk.leak()
    await desk.freeze(other)
    holder = Claimant(shop)
    refused = await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert (refused.done, refused.detail) == (False, Detail.FROZEN)
    await desk.thaw(other)
    assert (await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL], fresh=True)).done


async def _suspend(shop: Workshop, card_id: bytes) -> None:
    await shop.change(rules.turn("suspend"), card_id)


async def _close(shop: Workshop, card_id: bytes) -> None:
    await shop.change(rules.turn("close"), card_id)


async def _deactivate(shop: Workshop, card_id: bytes) -> None:
    await shop.change(rules.deactivate, card_id)


async def _stop(shop: Workshop, _: bytes) -> None:
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")


async def _expire(shop: Workshop, card_id: bytes) -> None:
    await shop.change(rules.update([rules.CardValues({"expires_ms": shop.clock()})]), card_id)


async def _replace(shop: Workshop, card_id: bytes) -> None:
    await reissue(shop, card_id)


@pytest.mark.parametrize(
    ("act", "detail"),
    [
        (_suspend, Detail.GOOD),
        (_close, Detail.CLOSED),
        (_deactivate, Detail.INACTIVE),
        (_stop, Detail.PROGRAM_STOPPED),
        (_expire, Detail.EXPIRED),
        (_replace, Detail.SUPERSEDED),
    ],
)
async def test_what_has_become_of_the_card_decides(
    shop: Workshop, act: Callable[[Workshop, bytes], Awaitable[None]], detail: Detail
) -> None:
    _, _, (card,) = await leaked(shop)
    await act(shop, card.card_id)
    exchanged = await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert (exchanged.done, exchanged.detail) == (detail == Detail.GOOD, detail)


async def test_a_card_that_was_unsold_when_it_leaked_never_exchanges_even_if_it_was_sold_since(shop: Workshop) -> None:
    await shop.program()
    (old,) = (await shop.issue()).codes
    desk = ExchangeDesk(shop)
    incident = await desk.leak()
    (card,) = await replaced(shop, incident, old)
    await desk.offer(incident)
    thief = Claimant(shop)
    for state in (CardState.INACTIVE, CardState.ACTIVE):
        if state == CardState.ACTIVE:
            await shop.change(rules.activate, old.card_id)
        claimed = await thief.claim(old.code.expose(), card.right[Proof.SERIAL], fresh=True)
        assert (claimed.done, claimed.detail) == (False, Detail.SUPERSEDED)
    (later,) = await replaced(shop, incident, old)  # sold by now, but not when this code leaked
    assert not (await thief.claim(old.code.expose(), card.right[Proof.SERIAL], fresh=True)).done
    right = Shown(Proof.SERIAL, Secret(card.serial.encode()))
    buyer = Claimant(shop)
    assert buyer.open(await buyer.claim(card.code, right)).code.encode() == later.code


async def test_only_the_incident_that_superseded_a_code_exchanges_it(shop: Workshop) -> None:
    desk, _, (card,) = await leaked(shop)
    (other,) = await sold(shop)
    await reissue(shop, other.card_id)  # a lost card, replaced by itself
    right = Shown(Proof.SERIAL, Secret(other.serial.encode()))
    assert not (await Claimant(shop).claim(other.code.expose(), right)).done
    second = await desk.leak()
    (again,) = await replaced(shop, second, card.old)
    claimed = await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert (claimed.done, (await shop.all_events())[-1].reason) == (False, "EXCHANGE_CLOSED")
    await desk.offer(second)
    holder = Claimant(shop)
    exchanged = await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert holder.open(exchanged).code.encode() == again.code


async def test_a_code_that_was_exchanged_leads_nowhere_any_more(shop: Workshop) -> None:
    desk, _, (card,) = await leaked(shop)
    holder = Claimant(shop)
    await holder.claim(card.old.code.expose(), card.right[Proof.SERIAL])
    second = await desk.leak()
    (again,) = await replaced(shop, second, card.old)
    await desk.offer(second)
    assert not (await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SERIAL])).done
    right = Shown(Proof.SERIAL, Secret(card.serial.encode()))
    assert holder.open(await holder.claim(card.code, right, fresh=True)).code.encode() == again.code
    assert not shop.database.rows("hold")


async def test_an_exchange_is_open_for_its_window_only(shop: Workshop) -> None:
    await shop.program()
    cards = await sold(shop, 2)
    desk = ExchangeDesk(shop)
    incident = await desk.leak()
    found = await replaced(shop, incident, *cards)

    async def claim(place: int) -> bool:
        card = found[place]
        return (await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SERIAL])).done

    assert not await claim(0)
    await desk.offer(incident, seconds=HOUR)
    assert await claim(0)
    shop.clock.advance(HOUR)
    assert not await claim(1)
    await desk.offer(incident, seconds=HOUR)
    await desk.end(incident)
    assert not await claim(1)


async def test_codes_that_are_not_superseded_are_not_exchanged(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    (inactive,) = (await shop.issue()).codes
    (expired,) = (await shop.issue(plan=CardPlan(expires_ms=shop.clock() + 1000, state=CardState.ACTIVE))).codes
    await shop.program("other")
    (foreign,) = (await shop.issue(program="other", plan=CardPlan(state=CardState.ACTIVE))).codes
    shop.clock.advance(2)
    codes = {
        card.code: Detail.GOOD,
        inactive.code.expose(): Detail.INACTIVE,
        expired.code.expose(): Detail.EXPIRED,
        foreign.code.expose(): Detail.UNKNOWN,
    }
    for code, detail in codes.items():
        claimed = await Claimant(shop).claim(code, card.right[Proof.SERIAL])
        assert (claimed.done, claimed.detail, claimed.sealed_code) == (False, detail, b"")


async def test_a_refusal_is_kept_for_its_retry(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    claimant = Claimant(shop)
    first = await claimant.claim(card.old.code.expose(), WRONG[Proof.SERIAL])
    assert await claimant.claim(card.old.code.expose(), WRONG[Proof.SERIAL]) == first
    assert sum(row["failures"] for row in shop.database.rows("attempt")) == 1


async def test_claims_that_are_not_good_count_as_uses_of_the_old_code(shop: Workshop) -> None:
    _, _, (card, other) = await leaked(shop, count=2)
    uses = SupersededUses(shop.recorder)
    exchanges = Exchanges(shop.recorder, uses)
    claimant = Claimant(shop)
    key = public_half(claimant.private_key)
    for code, shown in ((card, WRONG[Proof.SERIAL]), (other, other.right[Proof.SERIAL])):
        call = shop.call("ExchangeCode", request_id=uuid4())
        for _ in range(2):  # a retry is no further use
            await exchanges.exchange(call, "netcash", code.old.code.expose(), shown, key)
    await uses.flush()
    rows = shop.database.rows("superseded_use")
    assert [(row["card_id"], row["generation"], row["uses"]) for row in rows] == [(card.card_id, 1, 1)]


async def test_what_is_no_claim_is_refused(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    code, right, key = card.old.code.expose(), card.right[Proof.SERIAL], bytes(range(1, 33))
    call = shop.call("ExchangeCode", request_id=uuid4())
    for error, field, asked in [
        (InvalidInput, "public_key", (call, "netcash", code, right, bytes(32))),
        (InvalidInput, "request_id", (shop.call(), "netcash", code, right, key)),
        (InvalidInput, "code.code", (call, "netcash", code[:-1], right, key)),
        (NotFound, "program", (call, "nowhere", code, right, key)),
    ]:
        with pytest.raises(error) as refused:
            await shop.exchanges.exchange(*asked)
        assert refused.value.field == field
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    with pytest.raises(FailedPrecondition):
        await shop.exchanges.exchange(call, "netcash", code, right, key)


async def test_neither_claims_nor_answers_show_what_is_secret(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    holder = Claimant(shop)
    exchanged = await holder.claim(card.old.code.expose(), card.right[Proof.SALE_SECRET])
    shown = f"{exchanged} {card.right} {shop.database.rows('exchange')}"
    for secret in (card.code, card.old.code.expose(), SECRET.expose()):
        assert secret.decode() not in shown


async def test_whoever_gave_a_card_back_gets_no_code_of_the_next_buyer(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop)
    shop.clock.advance(60)
    await shop.change(rules.deactivate, card.card_id)
    await shop.change(rules.activate, card.card_id)
    returned = await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SERIAL])
    assert (returned.done, returned.detail) == (False, Detail.SUPERSEDED)
    assert (await shop.all_events())[-1].reason == "EXCHANGE_CLOSED"
