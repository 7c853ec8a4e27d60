"""Whether codes are good, and why not."""

import asyncio
from pathlib import Path

import pytest

from tests.service.desk import Desk
from tests.service.reissue import reissue
from tests.service.wrapped import CountingStore, InterruptedStore, SilencedStore
from tests.workshop import START_MS, Workshop, workshop
from vault.codes.checkdigit import check_digit
from vault.codes.format import CodeFormat
from vault.errors import InvalidInput, Unavailable
from vault.model.states import CardState, CheckAlgorithm, Detail
from vault.service import rules
from vault.service.answering.coalesce import MAX_GROUP
from vault.service.answering.validation import ATTEMPTS, Lookup, Question
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector
from vault.stores.protocol import Store

FIVE = CodeFormat(15, CheckAlgorithm.DAMM, "")


async def code_of(shop: Workshop, detail: Detail) -> bytes:
    """Make a code that is judged so."""
    plan = CardPlan(expires_ms=START_MS + 1000) if detail == Detail.EXPIRED else CardPlan()
    (issued,) = (await shop.issue(plan=plan)).codes
    digits, card_id = issued.code.expose(), issued.card_id
    if detail == Detail.CHECK_DIGIT:
        return digits[:-1] + bytes([48 + (digits[-1] - 47) % 10])
    if detail == Detail.UNKNOWN:
        payload = bytes([48 + (digits[0] - 47) % 10]) + digits[1:-1]
        return payload + check_digit(payload, CheckAlgorithm.LUHN)
    if detail != Detail.INACTIVE:
        await shop.change(rules.activate, card_id)
    await _spoil(shop, detail, card_id, digits)
    return digits


async def _spoil(shop: Workshop, detail: Detail, card_id: bytes, digits: bytes) -> None:
    """Do to an active card what makes its code judged so."""
    if detail == Detail.EXPIRED:
        shop.clock.advance(1)
    elif detail in (Detail.SUSPENDED, Detail.CLOSED):
        await shop.change(rules.turn("suspend" if detail == Detail.SUSPENDED else "close"), card_id)
    elif detail == Detail.REDEEMED:
        await shop.redemptions.redeem(shop.call(), "netcash", digits)
    elif detail == Detail.SUPERSEDED:
        await reissue(shop, card_id)
    elif detail == Detail.PROGRAM_STOPPED:
        await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    elif detail == Detail.FROZEN:
        desk = Desk(shop)
        await desk.freeze(await desk.over([card_id]))
    elif detail == Detail.INTEGRITY:
        (row,) = shop.database.rows("card", card_id=card_id)
        shop.database.put("card", row["rowid"], reference="forged")


@pytest.mark.parametrize("detail", [detail for detail in Detail if detail != Detail.SUBMISSION])
async def test_every_detail_is_found(shop: Workshop, detail: Detail) -> None:
    await shop.program(single_use=True)
    code = await code_of(shop, detail)
    (judgement,) = await shop.judge(code)
    assert judgement.detail is detail
    nameless = (Detail.CHECK_DIGIT, Detail.UNKNOWN, Detail.INTEGRITY)
    assert (judgement.card is None) == (detail in nameless)
    (item,) = (await shop.all_events())[-1].items
    assert item.outcome == detail.name


async def test_the_code_that_supersedes_another_is_good(shop: Workshop) -> None:
    await shop.program()
    (issued,) = (await shop.issue()).codes
    await shop.change(rules.activate, issued.card_id)
    code, _ = await reissue(shop, issued.card_id)
    assert [j.detail for j in await shop.judge(issued.code.expose(), code)] == [Detail.SUPERSEDED, Detail.GOOD]


@pytest.mark.parametrize("table", ["code", "card"])
async def test_a_row_that_is_gone_is_never_good(shop: Workshop, table: str) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    (row,) = shop.database.rows(table)
    shop.database.delete(table, row["rowid"])
    (judgement,) = await shop.judge(code)
    assert judgement[:2] == (Detail.UNKNOWN if table == "code" else Detail.INTEGRITY, None)


async def test_a_closed_program_has_no_good_code(shop: Workshop) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    assert [j.detail for j in await shop.judge(code)] == [Detail.PROGRAM_STOPPED]


async def test_several_programs_are_asked_at_once(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    await shop.program("third", code_format=FIVE)
    codes = {name: (await shop.issue(program=name)).codes[0] for name in ("netcash", "other", "third")}
    for name, code in codes.items():
        await shop.change(rules.activate, code.card_id, program=name)
    digits = [code.code.expose() for code in codes.values()]
    judged = await shop.judge(*digits, programs=("netcash", "other", "third"))
    assert [j.card.program for j in judged if j.card and j.detail == Detail.GOOD] == [*codes]
    judged = await shop.judge(*digits[:2], programs=("netcash", "nowhere"))
    assert [j.detail for j in judged] == [Detail.GOOD, Detail.UNKNOWN]
    assert (await shop.all_events())[-1].program == ""


async def test_another_programs_code_is_unknown(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    code = (await shop.issue(program="other")).codes[0].code.expose()
    (judgement,) = await shop.judge(code)
    assert judgement[:2] == (Detail.UNKNOWN, None)


async def test_a_program_that_does_not_exist_holds_no_code(shop: Workshop) -> None:
    judged = await shop.judge(b"0" * 16, b"123456789", programs=("nowhere",))
    assert {j.detail for j in judged} <= {Detail.UNKNOWN, Detail.CHECK_DIGIT}


async def test_a_code_as_long_as_none_of_the_programs_is_refused_by_its_place(shop: Workshop) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    with pytest.raises(InvalidInput) as refused:
        await shop.judge(code, code[:-1])
    assert (refused.value.reason, refused.value.field) == ("CODE_LENGTH", "codes[1].code")
    assert code[:-1].decode() not in str(refused.value)


async def test_one_callers_bad_question_is_nobody_elses(shop: Workshop) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    asked = [shop.judge(code if number % 3 else code[:-1]) for number in range(60)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for number, answer in enumerate(answers):
        if number % 3:
            assert isinstance(answer, list)
            assert answer[0].detail == Detail.GOOD
        else:
            assert isinstance(answer, InvalidInput)


async def test_a_caller_who_goes_away_disturbs_nobody(shop: Workshop) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    tasks = [asyncio.create_task(shop.judge(code)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[::2])
    assert all(isinstance(answer, list) and answer[0].detail == Detail.GOOD for answer in answers[1::2])
    assert [j.detail for j in await shop.judge(code)] == [Detail.GOOD]


async def test_what_waits_together_shares_commits_and_has_events_of_its_own(tmp_path: Path) -> None:
    stores: list[CountingStore] = []

    def counting(store: Store) -> Store:
        stores.append(CountingStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=counting) as shop:
        await shop.program()
        code = await code_of(shop, Detail.GOOD)
        events, before = shop.database.count("audit_event"), stores[0].written
        answers = await asyncio.gather(*(shop.judge(code) for _ in range(500)))
        assert {answer[0].detail for answer in answers} == {Detail.GOOD}
        assert stores[0].written - before <= 500 / MAX_GROUP + 2
        assert shop.database.count("audit_event") == events + 500


async def test_a_group_fails_together_when_the_store_does(tmp_path: Path) -> None:
    stores: list[SilencedStore] = []

    def silencing(store: Store) -> Store:
        stores.append(SilencedStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=silencing) as shop:
        await shop.program()
        code = await code_of(shop, Detail.GOOD)
        stores[0].silenced = True
        answers = await asyncio.gather(*(shop.judge(code) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(answer, Unavailable) for answer in answers)
        stores[0].silenced = False
        assert [j.detail for j in await shop.judge(code)] == [Detail.GOOD]


async def test_a_stop_by_another_process_is_obeyed_on_the_next_answer(tmp_path: Path) -> None:
    async with workshop(tmp_path) as one, workshop(tmp_path) as other:
        await one.program()
        code = await code_of(one, Detail.GOOD)
        assert [j.detail for j in await one.judge(code)] == [Detail.GOOD]
        for verb, detail in (("stop", Detail.PROGRAM_STOPPED), ("start", Detail.GOOD)):
            await other.programs.turn(other.call(), "netcash", verb, note="", etag="")
            assert [j.detail for j in await one.judge(code)] == [detail]


async def test_statuses_say_what_may_be_done(shop: Workshop) -> None:
    await shop.program()
    issued = [*(await shop.issue(2)).codes, *(await shop.issue(plan=CardPlan(expires_ms=START_MS + 1000))).codes]
    await shop.change(rules.activate, *(code.card_id for code in issued[1:]))
    selectors = [Selector(serial=code.serial) for code in issued]
    selectors += [Selector(issued[1].card_id), Selector(bytes(16))]
    statuses = await shop.cards.statuses(shop.call(), "netcash", selectors)
    assert [status.usable for status in statuses] == [False, True, True, True, False]
    assert [status.card is None for status in statuses] == [False] * 4 + [True]
    shop.clock.advance(2)
    statuses = await shop.cards.statuses(shop.call(), "netcash", selectors)
    assert [(status.expired, status.usable) for status in statuses[1:3]] == [(False, True), (True, False)]
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    assert not any(status.usable for status in await shop.cards.statuses(shop.call(), "netcash", selectors))


async def test_neither_questions_nor_calls_show_what_was_asked(shop: Workshop) -> None:
    await shop.program()
    code = await code_of(shop, Detail.GOOD)
    call = shop.call(body=code)
    assert code.decode() not in repr(Question(call, ("netcash",), [code], "code"))
    assert code.decode() not in repr(call)
    (judgement,) = await shop.judge(code)
    assert code.decode() not in repr(judgement)


async def test_a_stop_between_look_up_and_answer_is_obeyed(tmp_path: Path) -> None:
    interrupted: list[InterruptedStore] = []

    def wrap(store: Store) -> Store:
        interrupted.append(InterruptedStore(store))
        return interrupted[0]

    async with workshop(tmp_path, wrap=wrap) as made:
        await made.program()
        issued = await made.issue(plan=CardPlan(state=CardState.ACTIVE))
        code = issued.codes[0].code.expose()
        assert [each.detail for each in await made.judge(code)] == [Detail.GOOD]
        interrupted[0].between = [
            lambda: made.programs.turn(made.call("StopProgram"), "netcash", "stop", note="", etag="")
        ]
        assert [each.detail for each in await made.judge(code)] == [Detail.PROGRAM_STOPPED]
        judged = [event for event in await made.all_events() if event.action.endswith("/Validate")]
        assert [item.outcome for event in judged for item in event.items] == ["GOOD", "PROGRAM_STOPPED"]


async def test_programs_that_change_without_end_are_no_answer(tmp_path: Path) -> None:
    interrupted: list[InterruptedStore] = []

    def wrap(store: Store) -> Store:
        interrupted.append(InterruptedStore(store))
        return interrupted[0]

    async with workshop(tmp_path, wrap=wrap) as made:
        await made.program()
        issued = await made.issue(plan=CardPlan(state=CardState.ACTIVE))
        interrupted[0].between = [
            lambda verb=verb: made.programs.turn(made.call("Turn"), "netcash", verb, note="", etag="")  # type: ignore[misc]
            for verb in ["stop", "start"] * ATTEMPTS
        ]
        with pytest.raises(Unavailable) as refused:
            await made.judge(issued.codes[0].code.expose())
        assert refused.value.reason == "STALE"
        assert not any(event.action.endswith("/Validate") for event in await made.all_events())


async def test_what_is_on_its_way_shows_no_digest_and_no_payload(shop: Workshop) -> None:
    await shop.program()
    plan = CardPlan(payload=b"the holder's secret")
    prepared = await shop.parts.preparation.prepare("netcash", [plan])
    row = prepared.cards[0].new.code_rows[0]
    lookup = Lookup(check_digit_holds=True, digests=(row.digest,))
    shown = f"{prepared.cards} {row} {lookup} {plan}"
    digest = row.digest
    assert not any(text in shown for text in (repr(digest)[2:-1], digest.hex(), "holder"))
