"""Re-issue: which cards get new codes, what becomes of the old ones, and that nothing else moves."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.service.invariants import check_invariants
from tests.service.orders import cards_by_id, count, create, kept, open_incident, reissued
from tests.workshop import START_MS, Workshop, workshop
from vault.errors import InvalidInput, NotFound
from vault.model.states import (
    CardState,
    Detail,
    IncidentScope,
    JobKind,
    JobState,
    Role,
    Unsold,
    Usage,
)
from vault.policy.access import Grants
from vault.rpc.validation_servicer import ValidationServicer
from vault.service import rules
from vault.service.exchanging.exchange import Exchanges
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import CardsWanted, ReissueOrder, RotationOrder
from vault.service.rotation.rotation import CardCount
from vault.service.select import Selector
from vault.v1.resources_pb2 import PresentedCode
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest

SOLD = CardPlan("sold", b"record", state=CardState.ACTIVE)


async def _mixed(shop: Workshop) -> dict[str, list[bytes]]:
    """Issue cards of every state and usage, and return their ids."""
    await shop.program(single_use=True)
    made = {name: await shop.issue(3, plan=SOLD) for name in ("active", "used", "suspended", "spent", "closed")}
    ids = {name: [code.card_id for code in delivered.codes] for name, delivered in made.items()}
    ids["unsold"] = [code.card_id for code in (await shop.issue(3)).codes]
    await shop.change(rules.mark([Usage.IN_USE, Usage.IN_USE, Usage.EMPTY]), *ids["used"])
    await shop.change(rules.turn("suspend"), *ids["suspended"])
    await shop.change(rules.turn("close"), *ids["closed"])
    for code in made["spent"].codes:
        await shop.redemptions.redeem(shop.call(), "netcash", code.code.expose())
    return ids


def _generations(shop: Workshop) -> dict[bytes, int]:
    return {card_id: card["generation"] for card_id, card in cards_by_id(shop).items()}


async def test_every_card_that_is_or_may_become_good_gets_a_new_code_and_nothing_else_moves(shop: Workshop) -> None:
    ids = await _mixed(shop)
    before = cards_by_id(shop)
    tally = shop.database.rows("tally")
    job = await reissued(shop)
    after = cards_by_id(shop)
    renewed = {card_id for name in ("active", "used", "suspended", "unsold") for card_id in ids[name]}
    assert {card_id for card_id, generation in _generations(shop).items() if generation == 2} == renewed
    for card_id, card in before.items():
        assert kept(after[card_id]) == kept(card)
        assert after[card_id]["revision"] == card["revision"] + (card_id in renewed)
    assert (job.row.state, job.row.done_count, job.row.total_count) == (JobState.DONE, 12, 18)
    assert (job.progress.seen_count, job.progress.skipped_count, job.row.error_count) == (18, 6, 0)
    assert [(row["slot"], row["live"]) for row in shop.database.rows("tally")] == [
        (row["slot"], row["live"]) for row in tally
    ]
    assert await check_invariants(shop) == 18


async def _verdicts(shop: Workshop, codes: list[bytes], roles: set[Role]) -> list[tuple[int, int, str]]:
    """Ask as a caller with some roles, and return verdict, detail and card id as answered."""
    servicer = ValidationServicer(
        shop.validation, shop.redemptions, Exchanges(shop.recorder), shop.cards, shop.public_keys, shop.inquiries
    )
    call = shop.call("Validate")._replace(grants=Grants({role: frozenset({"netcash"}) for role in roles}))
    presented = [PresentedCode(code=code.decode()) for code in codes]
    request = BatchValidateCodesRequest(programs=["netcash"], codes=presented)
    answer = await servicer.BatchValidateCodes(call, request)
    return [(result.verdict, result.detail, result.card_id) for result in answer.results]


async def test_the_old_code_is_superseded_to_who_may_know_and_the_new_one_is_good(shop: Workshop) -> None:
    await shop.program()
    (old,) = (await shop.issue(plan=SOLD)).codes
    await reissued(shop)
    revealed = await shop.reveal.reveal(shop.call(request_id=uuid4()), "netcash", Selector(old.card_id), Delivery(), "")
    new = revealed.codes[0]
    unknown = b"4242424242424242"
    codes = [old.code.expose(), new.code.expose(), unknown]
    assert [judgement.detail for judgement in await shop.judge(*codes)] == [
        Detail.SUPERSEDED,
        Detail.GOOD,
        Detail.UNKNOWN,
    ]
    told = await _verdicts(shop, codes, {Role.VALIDATOR, Role.DETAIL})
    assert [detail for _, detail, _ in told] == [Detail.SUPERSEDED, 0, Detail.UNKNOWN]
    untold = await _verdicts(shop, codes, {Role.VALIDATOR})
    assert untold[0] == untold[2] != untold[1]
    assert {untold[0][1:], untold[2][1:]} == {(0, "")}
    assert new.serial != old.serial


async def test_a_record_opens_as_before(shop: Workshop) -> None:
    await shop.program()
    (code,) = (await shop.issue(plan=SOLD)).codes
    await reissued(shop)
    record = await shop.records.get(shop.call(), "netcash", Selector(code.card_id))
    assert record.payload == b"record"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (CardsWanted(states=(CardState.ACTIVE,)), ("active", "used")),
        (CardsWanted(states=(CardState.INACTIVE, CardState.SUSPENDED)), ("unsold", "suspended")),
        (CardsWanted(states=(CardState.REDEEMED,)), ("spent",)),
        (CardsWanted(usages=(Usage.IN_USE, Usage.EMPTY)), ("used",)),
        (CardsWanted(states=(CardState.SUSPENDED,), usages=(Usage.EMPTY,)), ()),
    ],
)
async def test_only_cards_of_the_wanted_states_and_usages_are_reissued(
    shop: Workshop, wanted: CardsWanted, names: tuple[str, ...]
) -> None:
    ids = await _mixed(shop)
    order = ReissueOrder(wanted=wanted)
    expected = {card_id for name in names for card_id in ids[name]}
    counted = await count(shop, order)
    assert sum(each.cards for each in counted.counts) == len(expected)
    job = await reissued(shop, order)
    assert {card_id for card_id, generation in _generations(shop).items() if generation == 2} == expected
    assert job.row.done_count == len(expected)


async def test_counts_are_by_state_and_usage_and_change_nothing(shop: Workshop) -> None:
    await _mixed(shop)
    before = shop.database.dump()
    counted = await count(shop)
    assert counted.job.row.job_id == b""
    assert counted.counts == [
        CardCount(CardState.INACTIVE, Usage.UNUSED, 3),
        CardCount(CardState.ACTIVE, Usage.UNUSED, 3),
        CardCount(CardState.ACTIVE, Usage.IN_USE, 2),
        CardCount(CardState.ACTIVE, Usage.EMPTY, 1),
        CardCount(CardState.SUSPENDED, Usage.UNUSED, 3),
    ]
    after = shop.database.dump()
    assert {table: rows for table, rows in after.items() if table != "audit_event"} == {
        table: rows for table, rows in before.items() if table != "audit_event"
    }


async def test_only_cards_issued_between_two_times_are_reissued(shop: Workshop) -> None:
    await shop.program()
    ids = []
    for _ in range(4):
        ids += [code.card_id for code in (await shop.issue(plan=SOLD)).codes]
        shop.clock.advance(10)
    wanted = CardsWanted(issued_from_ms=START_MS + 10_000, issued_before_ms=START_MS + 30_000)
    order = ReissueOrder(wanted=wanted)
    assert (await count(shop, order)).counts == [CardCount(CardState.ACTIVE, Usage.UNUSED, 2)]
    await reissued(shop, order)
    assert [_generations(shop)[card_id] for card_id in ids] == [1, 2, 2, 1]


async def test_only_cards_of_the_wanted_batches_are_reissued(shop: Workshop) -> None:
    await shop.program()
    batches = [(await shop.issued_batch(size)).row.batch_id for size in (3, 70, 5)]
    await shop.issue()
    order = ReissueOrder(wanted=CardsWanted(batch_ids=[batches[2], batches[1], batches[2]]))
    assert (await count(shop, order)).counts == [CardCount(CardState.INACTIVE, Usage.UNUSED, 75)]
    job = await reissued(shop, order)
    renewed = {card["batch_id"] for card in shop.database.rows("card") if card["generation"] == 2}
    assert (renewed, job.row.done_count, job.row.total_count) == (set(batches[1:]), 75, 75)
    assert await check_invariants(shop) == 79


@pytest.mark.parametrize(
    ("unsold", "generation", "state"),
    [
        (Unsold.REISSUE, 2, CardState.INACTIVE),
        (Unsold.WITHDRAW, 1, CardState.CLOSED),
        (Unsold.LEAVE, 1, CardState.INACTIVE),
    ],
)
async def test_unsold_cards_are_reissued_withdrawn_or_left(
    shop: Workshop, unsold: Unsold, generation: int, state: CardState
) -> None:
    await shop.program()
    (sold,) = (await shop.issue(plan=SOLD)).codes
    (new,) = (await shop.issue()).codes
    job = await reissued(shop, ReissueOrder(unsold=unsold))
    cards = cards_by_id(shop)
    assert (cards[new.card_id]["generation"], cards[new.card_id]["state"]) == (generation, state)
    assert cards[sold.card_id]["generation"] == 2
    assert job.progress.withdrawn_count == (unsold == Unsold.WITHDRAW)
    assert await check_invariants(shop) == 2  # with it the tally: a withdrawn code can be good no more
    if unsold == Unsold.WITHDRAW:
        assert len(shop.database.rows("reissue")) == 1


async def test_chosen_cards_are_added_in_parts_by_id_and_by_serial(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(10, plan=SOLD)).codes
    first = [Selector(codes[0].card_id), Selector(serial=codes[1].serial)]
    order = ReissueOrder(cards=first, await_start=True)
    created = await create(shop, order)
    job_id = created.job.row.job_id
    assert (created.job.row.state, created.job.row.total_count) == (JobState.PAUSED, 2)
    added = await shop.rotation.add_cards(
        shop.call(request_id=uuid4()),
        "netcash",
        job_id,
        [Selector(codes[1].card_id), Selector(serial=codes[2].serial), Selector(codes[3].card_id), Selector(bytes(16))],
    )
    assert [change.outcome.name for change in added.changes] == ["REPEATED", "DONE", "DONE", "NOT_FOUND"]
    assert added.card_count == 4
    await shop.work_all()
    assert not shop.database.rows("reissue")
    await shop.rotation.resume(shop.call(request_id=uuid4()), "netcash", job_id)
    await shop.work_all()
    assert {card_id for card_id, generation in _generations(shop).items() if generation == 2} == {
        code.card_id for code in codes[:4]
    }
    assert await check_invariants(shop) == 10


async def test_cards_chosen_that_are_not_there_are_told_and_left_out(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(3, plan=SOLD)).codes
    named = [
        Selector(bytes(16)),
        Selector(codes[1].card_id),
        Selector(codes[1].card_id),
        Selector(serial="A000000000000"),
    ]
    order = ReissueOrder(cards=named)
    outcomes = ["NOT_FOUND", "DONE", "REPEATED", "NOT_FOUND"]
    looked = await count(shop, order)
    assert [change.outcome.name for change in looked.changes] == outcomes
    assert looked.counts == [CardCount(CardState.ACTIVE, Usage.UNUSED, 1)]
    call, wanted = shop.call("Create", request_id=uuid4()), RotationOrder(JobKind.REISSUE, "netcash", order)
    created = await shop.rotation.create(call, wanted, validate_only=False)
    assert [change.outcome.name for change in created.changes] == outcomes
    assert created.job.row.total_count == 1
    again = await shop.rotation.create(call, wanted, validate_only=False)
    assert (again.job.row.job_id, again.changes, again.counts) == (
        created.job.row.job_id,
        created.changes,
        created.counts,
    )
    await shop.work_all()
    assert [_generations(shop)[code.card_id] for code in codes] == [1, 2, 1]
    assert await check_invariants(shop) == 3


async def test_a_job_none_of_whose_cards_is_there_is_refused_unless_more_may_come(shop: Workshop) -> None:
    await shop.program()
    with pytest.raises(NotFound) as refused:
        await create(shop, ReissueOrder(cards=[Selector(bytes(16))]))
    assert refused.value.field == "reissue.cards"
    assert not shop.database.rows("job")
    created = await create(shop, ReissueOrder(cards=[Selector(bytes(16))], await_start=True))
    assert created.job.row.total_count == 0


async def test_an_incidents_chosen_cards_are_reissued(shop: Workshop) -> None:
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(6, plan=SOLD)).codes]
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=ids[:4])
    order = ReissueOrder(incident_id=incident_id)
    assert (await count(shop, order)).counts == [CardCount(CardState.ACTIVE, Usage.UNUSED, 4)]
    job = await reissued(shop, order)
    assert (job.row.subject, job.incident_id, job.row.total_count) == (incident_id, incident_id, 4)
    assert [_generations(shop)[card_id] for card_id in ids] == [2, 2, 2, 2, 1, 1]


async def test_an_incident_over_batches_narrowed_to_one_of_them(shop: Workshop) -> None:
    await shop.program()
    batches = [(await shop.issued_batch(4)).row.batch_id for _ in range(3)]
    incident_id = await open_incident(shop, IncidentScope.BATCHES, batch_ids=batches[:2])
    narrowed = ReissueOrder(incident_id=incident_id, wanted=CardsWanted(batch_ids=[batches[0], batches[2]]))
    assert (await reissued(shop, narrowed)).row.done_count == 4
    elsewhere = ReissueOrder(incident_id=incident_id, wanted=CardsWanted(batch_ids=[batches[2]]))
    assert (await reissued(shop, elsewhere)).row.done_count == 0
    assert (await reissued(shop, ReissueOrder(incident_id=incident_id))).row.done_count == 8
    assert {card["generation"] for card in shop.database.rows("card", batch_id=batches[0])} == {3}
    assert {card["generation"] for card in shop.database.rows("card", batch_id=batches[2])} == {1}


async def test_an_incident_over_a_program(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(3)
    incident_id = await open_incident(shop, IncidentScope.PROGRAM)
    assert (await reissued(shop, ReissueOrder(incident_id=incident_id))).row.done_count == 3


async def test_cards_that_were_deleted_from_a_selection_are_missed(shop: Workshop) -> None:
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(6, plan=SOLD)).codes]
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=ids)
    for row in shop.database.rows("selection", selection_id=incident_id)[:2]:
        shop.database.delete("selection", row["rowid"])
    job = await reissued(shop, ReissueOrder(incident_id=incident_id))
    assert (job.row.done_count, job.row.error_count, job.row.last_error) == (4, 2, "CARDS_MISSING")


async def test_forged_rows_are_counted_and_left_as_they_are(shop: Workshop) -> None:
    await shop.program()
    ids = [code.card_id for code in (await shop.issue(6, plan=SOLD)).codes]
    incident_id = await open_incident(shop, IncidentScope.CARDS, chosen=ids[:4])
    card = shop.database.rows("card", card_id=ids[0])[0]
    shop.database.put("card", card["rowid"], state=CardState.CLOSED)
    chosen = shop.database.rows("selection", card_id=ids[1])[0]
    shop.database.put("selection", chosen["rowid"], card_id=ids[5])
    job = await reissued(shop, ReissueOrder(incident_id=incident_id))
    assert (job.row.state, job.row.done_count, job.row.error_count) == (JobState.DONE, 2, 2)
    assert job.row.last_error == "ROW_TAG"
    assert [_generations(shop)[card_id] for card_id in ids] == [1, 1, 2, 2, 1, 1]


async def test_closed_cards_cannot_be_asked_for(shop: Workshop) -> None:
    await shop.program()
    with pytest.raises(InvalidInput) as refused:
        await create(shop, ReissueOrder(wanted=CardsWanted(states=(CardState.CLOSED,))))
    assert refused.value.reason == "STATE_CLOSED"


async def test_small_wrapping_bounds_are_kept_to(tmp_path: Path) -> None:
    async with workshop(tmp_path, bound=64) as shop:
        await shop.program()
        for _ in range(4):
            await shop.issue(20)
        assert (await reissued(shop)).row.done_count == 80
        assert await check_invariants(shop) == 80
        for use in shop.database.rows("key_use"):
            assert use["reserved"] <= 64
