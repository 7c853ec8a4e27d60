"""Validating sealed codes: one at a time, in batches and envelopes, and again."""

import asyncio
import os
from uuid import uuid4

import pytest

from tests.service.desk import Desk
from tests.service.sealing import LEDGER, REDEEM, WISH, Edge, Shop, receipt_claims
from tests.workshop import Workshop
from vault.codes.checkdigit import check_digit
from vault.codes.format import CodeFormat
from vault.errors import AlreadyExists, FailedPrecondition, IntegrityFailure, InvalidInput, PermissionDenied
from vault.model.states import CheckAlgorithm, Detail, KeyPurpose
from vault.service import rules
from vault.service.answering.inquiries import Told
from vault.service.answering.receipts import Wish
from vault.service.answering.submissions import AGE_MS, Cause, Presented
from vault.service.issuing.issue import CardPlan

GOOD, REFUSED = Detail.GOOD, Detail.SUBMISSION


async def _sold(shop: Workshop, count: int = 1, program: str = "netcash") -> list[bytes]:
    """Sell cards of a new program, and return their codes."""
    await shop.program(program)
    codes = (await shop.issue(count, program, plan=CardPlan(expires_ms=shop.clock.now_ms + 10**7))).codes
    await shop.change(rules.activate, *(code.card_id for code in codes), program=program)
    return [code.code.expose() for code in codes]


def _mistyped(code: bytes) -> bytes:
    return code[:-1] + bytes([48 + (code[-1] - 47) % 10])


async def test_the_same_request_gets_the_same_answer_and_receipt_whatever_has_become_of_the_card(
    shop: Workshop,
) -> None:
    (code,) = await _sold(shop)
    teller, sealed = Shop(shop), await Edge(shop).seal(code)
    call = teller.call("ValidateCode", uuid4())
    first = await teller.ask(sealed, call=call, wish=WISH)
    (judgement,) = first.judgements
    assert judgement.detail is GOOD
    assert judgement.card is not None
    shop.clock.advance(AGE_MS / 1000 + 60)
    await shop.change(rules.turn("suspend"), judgement.card.card_id)
    await shop.key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")
    for process in (shop, shop.restarted()):
        again = await teller.ask(sealed, call=call, wish=WISH, vault=process)
        assert again.receipt == first.receipt
        ((detail, card, generation),) = again.judgements
        assert (detail, generation) == (judgement.detail, judgement.generation)
        shown = ("program", "card_id", "usage", "expires_ms")
        assert card is not None
        assert [getattr(card, name) for name in shown] == [getattr(judgement.card, name) for name in shown]
    reasons = [(event.reason, event.subject) for event in (await shop.all_events()) if "Validate" in event.action]
    assert [reason for reason, _ in reasons] == ["", "RETRIED", "RETRIED"]
    assert len({subject for _, subject in reasons}) == 1
    assert reasons[0][1].startswith("receipt/")


async def test_another_body_under_the_same_id_is_refused_and_spends_nothing(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, edge, request_id = Shop(shop), Edge(shop), uuid4()
    await teller.ask(await edge.seal(code), call=teller.call("ValidateCode", request_id))
    sealed = await edge.seal(code)
    for method in ("ValidateCode", "BatchValidateCodes"):
        with pytest.raises(AlreadyExists) as refused:
            await teller.ask(sealed, call=teller.call(method, request_id))
        assert refused.value.reason == "REQUEST_ID_REUSED"
    assert [j.detail for j in (await teller.ask(sealed)).judgements] == [GOOD]


async def test_a_kept_refusal_stands_when_its_time_has_come(shop: Workshop) -> None:
    codes = await _sold(shop, 2)
    teller, edge, ahead = Shop(shop), Edge(shop), shop.clock.now_ms + AGE_MS + 1
    single = await edge.seal(codes[0], seal_time_ms=ahead), teller.call("ValidateCode")
    several = await edge.seal(*codes, seal_time_ms=ahead), teller.call("ValidateCode")
    for _ in range(2):
        for sealed, call in (single, several):
            assert [j.detail for j in (await teller.ask(sealed, call=call)).judgements] == [REFUSED]
        shop.clock.advance(60)
    assert [j.detail for j in (await teller.ask(single[0])).judgements] == [GOOD]


async def test_the_same_request_many_times_at_once_is_one_request(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, sealed = Shop(shop), await Edge(shop).seal(code)
    call = teller.call("ValidateCode")
    shops = [shop, shop.restarted()]
    told = await asyncio.gather(
        *(teller.ask(sealed, call=call, wish=WISH, vault=shops[number % 2]) for number in range(40))
    )
    assert len({each.receipt for each in told}) == 1
    assert {each.judgements[0].detail for each in told} == {GOOD}
    assert shop.database.count("submission") == 1


async def test_of_many_requests_with_one_submission_one_is_answered(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, sealed = Shop(shop), await Edge(shop).seal(code)
    shops = [shop, shop.restarted()]
    told = await asyncio.gather(*(teller.ask(sealed, vault=shops[number % 2]) for number in range(40)))
    details = [each.judgements[0].detail for each in told]
    assert sorted(details) == [GOOD, *[REFUSED] * 39]


async def test_of_one_batch_each_submission_is_its_own(shop: Workshop) -> None:
    codes = await _sold(shop, 6)
    teller, edge = Shop(shop), Edge(shop)
    spent = await edge.seal(codes[1])
    await teller.ask(spent)
    twice = await edge.seal(codes[4])
    presented: list[Presented] = [
        await edge.seal(codes[0]),
        spent,
        await edge.seal(codes[2], program="other"),
        codes[3],
        twice,
        twice,
        await edge.seal(_mistyped(codes[5])),
        await edge.seal(b"1" * 9),
        await edge.seal(codes[5]),
    ]
    call = teller.call("BatchValidateCodes")
    told = await teller.ask(*presented, call=call, several=True, wish=WISH)
    expected = [GOOD, REFUSED, REFUSED, GOOD, GOOD, REFUSED, Detail.CHECK_DIGIT, Detail.CHECK_DIGIT, GOOD]
    assert [judgement.detail for judgement in told.judgements] == expected
    again = await teller.ask(*presented, call=call, several=True, wish=WISH)
    assert again.receipt == told.receipt
    assert [judgement.detail for judgement in again.judgements] == expected
    event, retried = (await shop.all_events())[-2:]
    causes = [Cause.REPLAYED, Cause.PROGRAM, Cause.REPLAYED]
    assert [item.outcome for item in event.items if item.outcome.startswith("SUBMISSION")] == [
        cause.outcome for cause in causes
    ]
    assert retried.reason == "RETRIED"
    assert (await teller.ask(presented[0])).judgements[0].detail is REFUSED


async def test_an_envelope_of_a_thousand_codes_is_one_submission(shop: Workshop) -> None:
    codes = await _sold(shop, 400)
    asked = [*codes, *map(_mistyped, codes[:200]), *codes[::-1]]
    teller, sealed = Shop(shop), await Edge(shop).seal(*asked)
    told = await teller.ask(sealed, several=True, wish=WISH)
    assert [j.detail for j in told.judgements] == [GOOD] * 400 + [Detail.CHECK_DIGIT] * 200 + [GOOD] * 400
    assert shop.database.count("submission") == 1
    results = (await receipt_claims(shop, told.receipt))["results"]
    assert [result["outcome"] for result in results] == ["GOOD"] * 400 + ["NOT_GOOD"] * 200 + ["GOOD"] * 400
    replayed = await teller.ask(sealed, several=True)
    assert [j.detail for j in replayed.judgements] == [REFUSED]


@pytest.mark.parametrize("beside", [0, 1])
async def test_an_envelope_has_to_be_alone_and_in_a_batch(shop: Workshop, beside: int) -> None:
    codes = await _sold(shop, 3)
    teller, edge = Shop(shop), Edge(shop)
    envelope, others = await edge.seal(*codes), [await edge.seal(code) for code in codes[:beside]]
    with pytest.raises(InvalidInput) as refused:
        await teller.ask(*others, envelope, several=bool(beside))
    assert refused.value.reason == "SUBMISSION_ALONE"
    assert refused.value.field == ("codes[1].sealed" if beside else "code.sealed")
    assert not shop.database.count("submission")
    assert len((await teller.ask(envelope, several=True)).judgements) == 3


async def test_one_inquiry_that_is_wrong_is_nobody_elses(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, edge = Shop(shop), Edge(shop)
    right = [await edge.seal(code) for _ in range(20)]
    wrong = await edge.seal(code, code)
    asked = [teller.ask(sealed) for sealed in right] + [teller.ask(wrong), teller.ask(code[:-1], wish=WISH)]
    *answers, alone, short = await asyncio.gather(*asked, return_exceptions=True)
    assert [getattr(answer, "judgements")[0].detail for answer in answers] == [GOOD] * 20  # noqa: B009
    assert isinstance(alone, InvalidInput)
    assert isinstance(short, InvalidInput)
    assert (short.reason, short.field) == ("CODE_LENGTH", "code.code")


async def test_the_program_may_be_one_of_several_asked(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    (other,) = await _sold(shop, program="other")
    teller, edge = Shop(shop), Edge(shop)
    sealed = [await edge.seal(code), await edge.seal(other, program="other"), await edge.seal(other)]
    told = await teller.ask(*sealed, programs=("other", "netcash"), several=True)
    assert [j.detail for j in told.judgements] == [GOOD, GOOD, Detail.UNKNOWN]
    assert [j.card.program for j in told.judgements if j.card] == ["netcash", "other"]


async def test_a_program_that_requires_sealing_takes_no_code_in_clear(shop: Workshop) -> None:
    await shop.program(seal_required=True, single_use=True)
    (issued,) = (await shop.issue()).codes
    await shop.change(rules.activate, issued.card_id)
    code, teller, edge = issued.code.expose(), Shop(shop), Edge(shop)
    clear = (code, _mistyped(code), b"0" * 16, b"0" * 9)
    refusals = []
    for each in clear:
        redeeming = shop.redemptions.redeem(shop.call(), "netcash", each)
        for asked in (shop.judge(each), teller.ask(each, wish=WISH), redeeming):
            with pytest.raises(FailedPrecondition) as refused:
                await asked
            refusals.append((refused.value.reason, refused.value.message, refused.value.field))
    assert {reason for reason, _, _ in refusals} == {"SEAL_REQUIRED"}
    assert len(set(refusals)) <= 2  # a batch names the first code
    with pytest.raises(FailedPrecondition):
        await teller.ask(await edge.seal(code), code, several=True)
    assert not shop.database.count("submission")
    assert (await teller.ask(await edge.seal(code))).judgements[0].detail is GOOD
    await shop.programs.update(shop.call(), "netcash", {"seal_required": 0}, "")
    assert [j.detail for j in await shop.judge(code)] == [GOOD]


async def test_a_receipt_is_made_out_to_allowed_audiences_only(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, sealed = Shop(shop), await Edge(shop).seal(code)
    for audience in ("ledger.other", LEDGER + "x", "*"):
        with pytest.raises(PermissionDenied) as refused:
            await teller.ask(sealed, wish=Wish(audience))
        assert refused.value.reason == "AUDIENCE_NOT_ALLOWED"
    assert (await teller.ask(sealed, wish=WISH)).receipt


async def test_only_what_is_good_has_a_receipt_of_its_own(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, edge = Shop(shop), Edge(shop)
    assert (await teller.ask(await edge.seal(_mistyped(code)), wish=WISH)).receipt == ""
    assert (await teller.ask(await edge.seal(code, audience="spiffe://test/x"), wish=WISH)).receipt == ""
    assert (await teller.ask(code, wish=WISH)).receipt
    events = [event.subject for event in await shop.all_events() if event.action.endswith("ValidateCode")]
    assert [bool(subject) for subject in events] == [False, False, True]


async def test_a_blocked_principal_presents_nothing(shop: Workshop) -> None:
    (code,) = await _sold(shop)
    teller, sealed = Shop(shop), await Edge(shop).seal(code)
    desk = Desk(shop)
    await desk.blocks.block(desk.call("BlockPrincipal"), "netcash", teller.principal, None, "it leaks")
    with pytest.raises(PermissionDenied):
        await teller.ask(sealed)
    assert not shop.database.count("submission")


async def test_codes_of_other_lengths_and_algorithms_are_only_not_good(shop: Workshop) -> None:
    await shop.program("long", code_format=CodeFormat(19, CheckAlgorithm.DAMM, "9"))
    teller, edge = Shop(shop), Edge(shop)
    payload = b"9" + bytes(48 + each % 10 for each in os.urandom(17))
    code = payload + check_digit(payload, CheckAlgorithm.DAMM)
    sealed = [await edge.seal(each, program="long") for each in (code, _mistyped(code), b"12345678")]
    told = await teller.ask(*sealed, programs=("long",), several=True)
    assert [j.detail for j in told.judgements] == [Detail.UNKNOWN, Detail.CHECK_DIGIT, Detail.CHECK_DIGIT]


@pytest.mark.parametrize("table", ["request", "submission"])
async def test_a_row_that_was_edited_answers_nothing_and_harms_nobody_else(shop: Workshop, table: str) -> None:
    codes = await _sold(shop, 2)
    teller, edge = Shop(shop), Edge(shop)
    sealed, other = await edge.seal(codes[0]), await edge.seal(codes[1])
    call = teller.call("ValidateCode")
    await teller.ask(sealed, call=call)
    (row,) = shop.database.rows(table, principal=teller.principal)
    shop.database.put(table, row["rowid"], created_ms=row["created_ms"] + 1)
    again = teller.ask(sealed, call=call if table == "request" else None)
    failure, told = await asyncio.gather(again, teller.ask(other), return_exceptions=True)
    assert isinstance(failure, IntegrityFailure)
    assert (failure.reason, failure.field) == ("ROW_TAG", "code.sealed" if table == "submission" else "")
    assert isinstance(told, Told)
    assert told.judgements[0].detail is GOOD


async def test_the_submission_whose_row_was_edited_is_named(shop: Workshop) -> None:
    codes = await _sold(shop, 3)
    teller, edge = Shop(shop), Edge(shop)
    sealed = [await edge.seal(code) for code in codes]
    await teller.ask(sealed[1])
    (row,) = shop.database.rows("submission")
    shop.database.put("submission", row["rowid"], created_ms=row["created_ms"] + 1)
    with pytest.raises(IntegrityFailure) as failure:
        await teller.ask(*sealed, several=True)
    assert failure.value.field == "codes[1].sealed"
    await shop.program("voucher", single_use=True)
    same = await edge.seal(codes[1], program="voucher", purpose=REDEEM, nonce=row["nonce"])
    with pytest.raises(IntegrityFailure) as failure:
        await shop.redemptions.redeem(teller.call("RedeemCode"), "voucher", same)
    assert failure.value.field == "code.sealed"
