"""Incidents: opened, measured, given cards, exchanged and closed, each act once and on the timeline."""

from uuid import uuid4

import pytest

from tests.service.desk import OFFICER, Desk
from tests.service.reissue import reissue
from tests.workshop import Workshop
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound, VaultError
from vault.model.incident_rows import IncidentRow
from vault.model.states import CardState, IncidentScope, IncidentState, Proof, Usage
from vault.service import rules
from vault.service.incidents.incidents import ExchangeWindow, IncidentPlan
from vault.service.issuing.issue import CardPlan

ACTIVE = CardPlan(state=CardState.ACTIVE)
TABLES = ("incident", "incident_step", "selection", "hold", "request")


async def _window(desk: Desk, incident: IncidentRow, proof: Proof = Proof.SERIAL, *window: int | None) -> IncidentRow:
    from_ms, until_ms = window or (None, desk.shop.clock() + 60_000)
    assert until_ms is not None
    return await desk.incidents.open_exchange(
        desk.call("OpenExchange"), "netcash", incident.incident_id, ExchangeWindow(proof, from_ms, until_ms)
    )


async def _close(desk: Desk, incident: IncidentRow) -> IncidentRow:
    return await desk.incidents.close(desk.call("CloseIncident"), "netcash", incident.incident_id, "all is well")


async def test_triage_counts_a_program_a_batch_and_chosen_cards(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    batch = (await shop.issued_batch(3)).row.batch_id
    cards = [code.card_id for code in (await shop.issue(4, plan=ACTIVE)).codes]
    await shop.change(rules.mark([Usage.EMPTY, Usage.IN_USE]), *cards[:2])
    sold = {
        (CardState.ACTIVE, Usage.UNUSED): 2,
        (CardState.ACTIVE, Usage.IN_USE): 1,
        (CardState.ACTIVE, Usage.EMPTY): 1,
    }
    unsold = {(CardState.INACTIVE, Usage.UNUSED): 3}

    async def counted(scope: IncidentScope, *batches: bytes) -> object:
        call = desk.call("OpenIncident")
        view = await desk.incidents.open(call, "netcash", IncidentPlan("x", scope, batches), validate_only=True)
        assert view.row.incident_id == b""
        return view.counts

    assert await counted(IncidentScope.PROGRAM) == {**sold, **unsold}
    assert await counted(IncidentScope.BATCHES, batch) == unsold
    assert await counted(IncidentScope.CARDS) == {}
    assert not any(shop.database.count(table) for table in TABLES[:3])
    incident = await desk.over(cards)
    get = desk.incidents.get
    assert (await get(desk.call("GetIncident"), "netcash", incident.incident_id, triage=True)).counts == sold
    assert (await get(desk.call("GetIncident"), "netcash", incident.incident_id, triage=False)).counts == {}


async def test_cards_are_added_by_id_and_serial_each_once(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    issued = (await shop.issue(3)).codes
    (stranger,) = (await shop.issue(program="other")).codes
    incident = await desk.open()
    first = await desk.add(incident, issued[0].card_id, issued[1].card_id, issued[0].card_id, stranger.card_id)
    assert [change.outcome.name for change in first.changes] == ["DONE", "DONE", "REPEATED", "NOT_FOUND"]
    again = await desk.add(incident, issued[1].card_id, issued[2].card_id)
    assert [change.outcome.name for change in again.changes] == ["REPEATED", "DONE"]
    assert [change.card_id for change in again.changes] == [issued[1].card_id, issued[2].card_id]
    assert (first.card_count, again.card_count) == (2, 3)
    assert shop.database.count("selection") == 3
    assert shop.database.rows("incident")[0]["card_count"] == 3


async def test_found_codes_lead_to_their_cards_and_come_back_as_serials_alone(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    issued = (await shop.issue(3, plan=ACTIVE)).codes
    old = issued[0].code.expose()
    new, new_serial = await reissue(shop, issued[0].card_id)
    incident = await desk.over([issued[2].card_id])
    texts = [code.code.expose().decode() for code in issued[:2]]
    package = await desk.found(*texts, new.decode(), texts[0], "0000 0000 0000 0000", "1234567890")
    call = desk.call("AddToSelection")
    answers = [await desk.selection.add_found(call, "netcash", incident.incident_id, package) for _ in range(2)]
    for added in answers:
        assert added.serials == sorted([issued[0].serial, issued[1].serial, new_serial])
        assert (added.unknown_count, added.card_count, added.changes) == (2, 3, ())
    assert {row["card_id"] for row in shop.database.rows("selection")} == {code.card_id for code in issued}
    events = [event for event in await shop.all_events() if event.action.endswith("AddToSelection")]
    kept = b"".join(row["result"] + row["body_mac"] for row in shop.database.rows("request"))
    for text in (old, new, *map(str.encode, texts)):
        assert text not in kept
        assert all(text not in event.SerializeToString() for event in events)


async def test_a_bad_package_is_refused_by_its_field(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open()
    (code,) = (await shop.issue()).codes
    package = await desk.found(code.code.expose().decode())
    wrong = bytearray(package)
    wrong[-1] ^= 1
    for each in (bytes(wrong), package[:-1], package + b"x", bytes(200)):
        with pytest.raises(InvalidInput) as refused:
            await desk.selection.add_found(desk.call("AddToSelection"), "netcash", incident.incident_id, each)
        assert (refused.value.reason, refused.value.field) == ("PACKAGE", "found_codes")
        assert code.code.expose().decode() not in str(refused.value)
    assert shop.database.count("selection") == 0


async def test_only_an_open_incident_over_chosen_cards_takes_cards(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    card = (await shop.issue()).codes[0].card_id

    async def reason(incident: IncidentRow) -> str:
        with pytest.raises(FailedPrecondition) as refused:
            await desk.add(incident, card)
        return refused.value.reason

    whole = await desk.open(IncidentScope.PROGRAM)
    assert await reason(whole) == "NOT_CHOSEN_CARDS"
    chosen = await desk.over([card])
    await desk.freeze(chosen)
    assert await reason(chosen) == "INCIDENT_FROZEN"
    await desk.thaw(chosen)
    await _close(desk, chosen)
    assert await reason(chosen) == "INCIDENT_CLOSED"


async def test_a_plan_that_contradicts_itself_is_refused(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    foreign = (await shop.issued_batch(1, "other")).row.batch_id
    plans: list[tuple[IncidentPlan, type[VaultError]]] = [
        (IncidentPlan("x", IncidentScope.BATCHES), InvalidInput),
        (IncidentPlan("x", IncidentScope.PROGRAM, [foreign]), InvalidInput),
        (IncidentPlan("x", IncidentScope.BATCHES, [foreign]), NotFound),
    ]
    for plan, error in plans:
        with pytest.raises(error):
            await desk.incidents.open(desk.call("OpenIncident"), "netcash", plan, validate_only=False)
    with pytest.raises(NotFound):
        await desk.incidents.get(desk.call("GetIncident"), "netcash", bytes(16), triage=False)


async def test_an_incident_of_another_program_is_not_found(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    desk = Desk(shop)
    incident = await desk.open(program="other")
    with pytest.raises(NotFound):
        await desk.incidents.get(desk.call("GetIncident"), "netcash", incident.incident_id, triage=False)
    with pytest.raises(NotFound):
        await desk.freeze(incident._replace(program="netcash"))


async def test_incidents_are_listed_newest_first_by_pages(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    opened = []
    for _ in range(3):
        opened.append(await desk.open())
        shop.clock.advance(1)
    first = await desk.incidents.page(desk.call("ListIncidents"), "netcash", None, 2)
    place = (first[-1].created_ms, first[-1].incident_id)
    second = await desk.incidents.page(desk.call("ListIncidents"), "netcash", place, 2)
    assert [row.incident_id for row in first + second] == [row.incident_id for row in reversed(opened)]


async def test_leaked_serials_prove_nothing(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open(serials_leaked=True)
    with pytest.raises(FailedPrecondition) as refused:
        await _window(desk, incident)
    assert refused.value.reason == "SERIALS_LEAKED"
    row = await _window(desk, incident, Proof.SALE_SECRET)
    assert (row.exchange_proof, row.exchange_from_ms) == (Proof.SALE_SECRET, shop.clock())
    found = await shop.restarted().store.read(shop.recorder.catalogue.at)
    assert found.incidents[incident.incident_id].exchange_proof == Proof.SALE_SECRET


async def test_a_window_is_closed_before_its_time_or_called_off(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.open()
    now = shop.clock()

    async def close() -> IncidentRow:
        return await desk.incidents.close_exchange(desk.call("CloseExchange"), "netcash", incident.incident_id)

    for window in ((None, now), (now + 5, now + 5), (now - 9, now - 1)):
        with pytest.raises(InvalidInput):
            await _window(desk, incident, Proof.SERIAL, *window)
    with pytest.raises(FailedPrecondition) as refused:
        await close()
    assert refused.value.reason == "EXCHANGE_NOT_OPEN"
    await _window(desk, incident)
    shop.clock.advance(1)
    assert (await close()).exchange_until_ms == now + 1000
    await _window(desk, incident, Proof.PURCHASE, now + 50_000, now + 60_000)
    called_off = await close()
    assert (called_off.exchange_proof, called_off.exchange_from_ms, called_off.exchange_until_ms) == (None, None, None)


async def test_an_incident_is_closed_when_nothing_of_it_is_in_force(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    incident = await desk.over([(await shop.issue()).codes[0].card_id])

    async def reason() -> str:
        with pytest.raises(FailedPrecondition) as refused:
            await _close(desk, incident)
        return refused.value.reason

    await desk.freeze(incident)
    assert await reason() == "INCIDENT_FROZEN"
    await desk.thaw(incident)
    await _window(desk, incident)
    assert await reason() == "EXCHANGE_OPEN"
    shop.clock.advance(60)
    row = await _close(desk, incident)
    assert (row.state, row.closed_ms) == (IncidentState.CLOSED, shop.clock())
    assert await reason() == "INCIDENT_CLOSED"
    with pytest.raises(FailedPrecondition):
        await _window(desk, incident)
    assert not (await shop.store.read(shop.recorder.catalogue.at)).incidents
    last = shop.database.rows("incident_step")[-1]
    assert (last["action"], last["principal"], last["note"]) == ("CloseIncident", OFFICER, "all is well")


async def test_each_retry_gets_the_same_answer_and_another_body_is_refused(shop: Workshop) -> None:
    await shop.program()
    desk = Desk(shop)
    card = (await shop.issue()).codes[0].card_id
    opening = desk.call("OpenIncident", body=b"one")
    plan = IncidentPlan("x", IncidentScope.CARDS)
    views = [await desk.incidents.open(opening, "netcash", plan, validate_only=False) for _ in range(2)]
    assert views[0] == views[1]
    incident = views[0].row
    with pytest.raises(AlreadyExists):
        await desk.incidents.open(opening._replace(body=b"two"), "netcash", plan, validate_only=False)
    request_id = uuid4()
    for _ in range(2):
        call = desk.call("AddToSelection", request_id=request_id)
        from_call = await desk.selection.add_cards(call, "netcash", incident.incident_id, [])
        assert from_call.card_count == 0
    await desk.add(incident, card)
    window = ExchangeWindow(Proof.SERIAL, None, shop.clock() + 1000)
    calls = [desk.call("OpenExchange"), desk.call("CloseExchange"), desk.call("CloseIncident")]
    for _ in range(2):
        await desk.incidents.open_exchange(calls[0], "netcash", incident.incident_id, window)
    for _ in range(2):
        await desk.incidents.close_exchange(calls[1], "netcash", incident.incident_id)
    for _ in range(2):
        await desk.incidents.close(calls[2], "netcash", incident.incident_id, "")
    numbers = [(step["number"], step["action"]) for step in shop.database.rows("incident_step")]
    assert [number for number, _ in numbers] == [1, 2, 3, 4, 5, 6]
    assert shop.database.rows("incident")[0]["revision"] == 6
