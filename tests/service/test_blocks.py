"""Blocked principals: refused on the next answer of every process, in a group of questions and in a stream."""

import asyncio
from uuid import uuid4

import pytest

from tests.service.desk import OFFICER, Desk
from tests.workshop import PRINCIPAL, Workshop
from vault.errors import FailedPrecondition, NotFound, PermissionDenied
from vault.model.states import CardState, Detail, IncidentScope
from vault.service import rules
from vault.service.answering.judge import Judgement
from vault.service.change import Order
from vault.service.issuing import export
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector

SHOP = "spiffe://test/shop"


async def block(desk: Desk, principal: str, program: str = "", incident_id: bytes | None = None) -> None:
    await desk.blocks.block(desk.call("BlockPrincipal"), program, principal, incident_id, "it leaks")


async def ask(shop: Workshop, principal: str, code: bytes, *programs: str) -> list[Judgement]:
    call = shop.call("Validate", principal=principal)
    return await shop.validation.validate(call, programs or ("netcash",), [code], "code")


async def refused(shop: Workshop, principal: str, code: bytes, *programs: str) -> bool:
    (answer,) = await asyncio.gather(ask(shop, principal, code, *programs), return_exceptions=True)
    return isinstance(answer, PermissionDenied) and answer.reason == "PRINCIPAL_BLOCKED"


async def test_a_block_is_obeyed_by_another_process_on_its_next_answer(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk, other = Desk(shop), shop.restarted()
    (code,) = (await shop.issue(plan=CardPlan(state=CardState.ACTIVE))).codes
    digits = code.code.expose()
    assert not await refused(other, SHOP, digits)
    await block(desk, SHOP, "netcash")
    assert await refused(other, SHOP, digits)
    assert await refused(other, SHOP, digits, "other", "netcash")
    assert not await refused(other, SHOP, digits, "other")
    await block(desk, SHOP)
    assert await refused(other, SHOP, digits, "other")
    await desk.blocks.unblock(desk.call("UnblockPrincipal"), "netcash", SHOP)
    assert await refused(other, SHOP, digits), "it is still blocked for all programs"
    await desk.blocks.unblock(desk.call("UnblockPrincipal"), "", SHOP)
    assert not await refused(other, SHOP, digits)


async def test_a_blocked_principal_in_a_group_harms_none_of_its_neighbours(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    codes = [code.code.expose() for code in (await shop.issue(6, plan=CardPlan(state=CardState.ACTIVE))).codes]
    await block(desk, SHOP)
    asked = [ask(shop, SHOP if place % 2 else PRINCIPAL, code) for place, code in enumerate(codes * 3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    for place, answer in enumerate(answers):
        if place % 2:
            assert isinstance(answer, PermissionDenied)
        else:
            assert isinstance(answer, list)
            assert [judgement.detail for judgement in answer] == [Detail.GOOD]
    answered = [event for event in await shop.all_events() if event.action.endswith("Validate")]
    assert len(answered) == 9
    assert {event.principal for event in answered} == {PRINCIPAL}


async def test_a_blocked_principal_changes_nothing_and_learns_nothing(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    (code,) = (await shop.issue()).codes
    await block(desk, SHOP, "netcash")
    call = shop.call("Activate", request_id=uuid4(), principal=SHOP)
    named = call._replace(programs=("netcash",))
    order = Order("netcash", [Selector(code.card_id)], rules.activate)
    for each in (call, named):
        with pytest.raises(PermissionDenied):
            await shop.changes.apply(each, order)
    assert not shop.database.rows("card", state=CardState.ACTIVE)
    assert not shop.database.rows("request", principal=SHOP)
    for missing in (Selector(bytes(16)), Selector(code.card_id)):
        with pytest.raises(PermissionDenied):
            await shop.cards.get(named._replace(request_id=None), "netcash", missing)


async def test_a_blocked_principal_does_not_get_the_answer_of_an_earlier_request_again(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    call = shop.call("Issue", request_id=uuid4(), principal=SHOP)
    await shop.issue(call=call)
    await block(desk, SHOP)
    with pytest.raises(PermissionDenied):
        await shop.issue(call=call)


async def test_a_stream_ends_with_its_next_slice(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.program()
    desk = Desk(shop)
    batch = (await shop.issued_batch(2200)).row.batch_id
    monkeypatch.setattr(export, "SLICE", 1100)
    call = shop.call("Export", principal=SHOP)
    stream = shop.export.stream(call, "netcash", batch, 0)
    await anext(stream)
    await block(desk, SHOP)
    with pytest.raises(PermissionDenied):
        [part async for part in stream]
    await desk.blocks.unblock(desk.call("UnblockPrincipal"), "", SHOP)
    assert (await shop.package(batch)).manifest.entries == 2200


async def test_a_refusal_of_a_blocked_principal_is_on_record(shop: Workshop) -> None:
    await shop.program()
    await block(Desk(shop), SHOP)
    call = shop.call("Validate", principal=SHOP)
    await shop.recorder.refuse(call, PermissionDenied("blocked", reason="PRINCIPAL_BLOCKED"), "PERMISSION_DENIED")
    (event,) = [event for event in await shop.all_events() if event.principal == SHOP]
    assert (event.status, event.reason) == ("PERMISSION_DENIED", "PRINCIPAL_BLOCKED")


async def test_a_job_that_a_blocked_principal_began_goes_on(shop: Workshop) -> None:
    await shop.program()
    batch = (await shop.batch(3)).row.batch_id
    await block(Desk(shop), PRINCIPAL)
    await shop.work_all()
    assert len(shop.database.rows("card", batch_id=batch)) == 3


async def test_nobody_blocks_themselves(shop: Workshop) -> None:
    with pytest.raises(FailedPrecondition) as refusal:
        await block(Desk(shop), OFFICER)
    assert refusal.value.reason == "OWN_PRINCIPAL"


async def test_blocks_are_listed_by_program(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    incident = await desk.open(IncidentScope.PROGRAM)
    await block(desk, "a", "netcash", incident.incident_id)
    await block(desk, "b", "other")
    await block(desk, "c", "", incident.incident_id)

    async def listed(program: str) -> set[str]:
        return {row.principal for row in await desk.blocks.all(desk.call("ListBlockedPrincipals"), program)}

    assert await listed("netcash") == {"a", "c"}
    assert await listed("other") == {"b", "c"}
    assert await listed("") == {"a", "b", "c"}
    steps = shop.database.rows("incident_step", action="BlockPrincipal")
    assert [step["note"] for step in steps] == ["a: it leaks", "c: it leaks"]
    await desk.blocks.unblock(desk.call("UnblockPrincipal"), "netcash", "a")
    assert shop.database.rows("incident_step", action="UnblockPrincipal")[0]["note"] == "a"


async def test_what_is_not_there_is_not_found(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    incident = await desk.open(IncidentScope.PROGRAM)
    for program, incident_id in (("gone", None), ("other", incident.incident_id), ("", bytes(16))):
        with pytest.raises(NotFound):
            await block(desk, SHOP, program, incident_id)
    with pytest.raises(NotFound) as refusal:
        await desk.blocks.unblock(desk.call("UnblockPrincipal"), "netcash", SHOP)
    assert refusal.value.reason == "PRINCIPAL_NOT_BLOCKED"


async def test_retries_have_one_effect(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open(IncidentScope.PROGRAM)
    blocking, unblocking = desk.call("BlockPrincipal"), desk.call("UnblockPrincipal")
    rows = [await desk.blocks.block(blocking, "netcash", SHOP, incident.incident_id, "it leaks") for _ in range(2)]
    assert rows[0][:6] == rows[1][:6]
    for _ in range(2):
        await desk.blocks.unblock(unblocking, "netcash", SHOP)
    assert shop.database.count("block") == 0
    assert shop.database.count("incident_step") == 3
