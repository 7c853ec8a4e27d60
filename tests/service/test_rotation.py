"""A rotation job's life: created once, listed, watched, paused, resumed, cancelled, alone where it must be."""

import asyncio
from uuid import uuid4

import pytest

from tests.jobs.roomy import make_chunks_small
from tests.service.invariants import check_invariants
from tests.service.orders import create, reissued
from tests.workshop import Workshop
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, NotFound
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.model.states import CardState, JobKind, JobState
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import CardsWanted, ReissueOrder, RotationOrder
from vault.service.rotation.jobview import JobView
from vault.service.rotation.rotation import Created
from vault.service.select import Selector

SOLD = CardPlan(state=CardState.ACTIVE)
WAITING = ReissueOrder(await_start=True)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make many chunks of few cards."""
    make_chunks_small(monkeypatch, 5, 5)


async def test_a_job_started_twice_with_one_request_id_is_one_job(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(5)
    call = shop.call(request_id=uuid4())
    order = RotationOrder(JobKind.REISSUE, "netcash", ReissueOrder())
    made = await asyncio.gather(*(shop.rotation.create(call, order, validate_only=False) for _ in range(5)))
    await shop.work_all()
    made.append(await shop.rotation.create(call, order, validate_only=False))
    assert len({each.job.row.job_id for each in made}) == 1
    assert len({tuple(each.counts) for each in made}) == 1
    assert made[-1].job.row.state == JobState.DONE
    with pytest.raises(AlreadyExists):
        await shop.rotation.create(call._replace(body=b"other"), order, validate_only=False)
    assert await check_invariants(shop) == 5
    assert {card["generation"] for card in shop.database.rows("card")} == {2}


async def test_what_was_ordered_is_kept(shop: Workshop) -> None:
    await shop.program()
    wanted = CardsWanted(states=(CardState.ACTIVE, CardState.ACTIVE), issued_from_ms=5)
    order = ReissueOrder(wanted=wanted, recipient="printer", package_unsold_only=True, await_start=True)
    created = await create(shop, order, rest_ms=70, note="leak")
    spec = JobSpec(
        format=1,
        rest_ms=70,
        note="leak",
        states=[2],
        issued_from_ms=5,
        unsold=1,
        recipient="printer",
        package_unsold_only=True,
    )
    assert created.job.spec == spec
    assert (await shop.all_events())[-1].note == "leak"


async def test_jobs_are_listed_newest_first_without_those_of_batches(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    made = []
    for _ in range(3):
        made.append((await reissued(shop)).row.job_id)
        shop.clock.advance(1)
        await shop.issued_batch(1)
        shop.clock.advance(1)
    await create(shop, program="other")
    listed = await shop.rotation.page(shop.call(), "netcash", None, 2)
    assert [view.row.job_id for view in listed] == made[:0:-1]
    last = listed[-1].row
    rest = await shop.rotation.page(shop.call(), "netcash", (last.created_ms, last.job_id), 2)
    assert [view.row.job_id for view in rest] == made[:1]
    assert await shop.rotation.page(shop.call(), "", None, 10) == []


async def test_a_batchs_job_is_no_rotation_job(shop: Workshop) -> None:
    await shop.program()
    await shop.batch(1)
    (job,) = shop.database.rows("job")
    with pytest.raises(NotFound):
        await shop.rotation.get(shop.call(), "netcash", job["job_id"])
    with pytest.raises(NotFound):
        await shop.rotation.cancel(shop.call(request_id=uuid4()), "netcash", job["job_id"])


async def test_a_job_of_another_program_is_not_found(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    created = await create(shop, WAITING)
    for program in ("other", ""):
        with pytest.raises(NotFound):
            await shop.rotation.get(shop.call(), program, created.job.row.job_id)


async def test_a_paused_job_writes_nothing_until_it_is_resumed(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(200)
    created = await create(shop)
    job_id = created.job.row.job_id
    stop = asyncio.Event()
    lane = asyncio.create_task(shop.runner().run(stop))
    while shop.database.count("reissue") < 20:  # noqa: ASYNC110  the database tells nobody
        await asyncio.sleep(0.002)
    view = await shop.rotation.pause(shop.call(request_id=uuid4()), "netcash", job_id)
    done = shop.database.count("reissue")
    assert (view.row.state, view.row.done_count) == (JobState.PAUSED, done)
    await asyncio.sleep(0.2)
    assert shop.database.count("reissue") == done < 200
    again = await shop.rotation.pause(shop.call(request_id=uuid4()), "netcash", job_id)
    assert again.row.state == JobState.PAUSED
    await shop.rotation.resume(shop.call(request_id=uuid4()), "netcash", job_id)
    while shop.database.rows("job", state=JobState.RUNNING):  # noqa: ASYNC110  the database tells nobody
        await asyncio.sleep(0.01)
    stop.set()
    await lane
    assert (await shop.rotation.get(shop.call(), "netcash", job_id)).row.done_count == 200
    assert await check_invariants(shop) == 200


async def test_a_cancelled_job_keeps_what_it_did_and_does_no_more(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(200)
    created = await create(shop)
    await shop.work(lambda: shop.database.count("reissue") >= 20)
    view = await shop.rotation.cancel(shop.call(request_id=uuid4()), "netcash", created.job.row.job_id)
    done = shop.database.count("reissue")
    assert (view.row.state, view.row.done_count) == (JobState.CANCELLED, done)
    assert view.row.finished_ms is not None
    await shop.work_all()
    assert shop.database.count("reissue") == done < 200
    assert sum(card["generation"] == 2 for card in shop.database.rows("card")) == done
    for act in (shop.rotation.pause, shop.rotation.resume):
        with pytest.raises(FailedPrecondition) as refused:
            await act(shop.call(request_id=uuid4()), "netcash", created.job.row.job_id)
        assert refused.value.reason == "JOB_CANCELLED"
    assert await check_invariants(shop) == 200


async def test_a_watch_tells_of_every_step_and_ends_with_the_job(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(100)
    created = await create(shop, WAITING)
    job_id = created.job.row.job_id
    seen: list[JobView] = []

    async def watch() -> None:
        watched = shop.rotation.watch(shop.call("Watch"), "netcash", job_id)
        async for view in watched:
            seen.append(view)  # noqa: PERF401  they are looked at while it goes on

    watching = asyncio.create_task(watch())
    while not seen:  # noqa: ASYNC110  the list tells nobody
        await asyncio.sleep(0.01)
    assert [view.row.state for view in seen] == [JobState.PAUSED]
    await shop.rotation.resume(shop.call(request_id=uuid4()), "netcash", job_id)
    await shop.work_all()
    await asyncio.wait_for(watching, 60)
    assert (seen[-1].row.state, seen[-1].row.done_count, seen[-1].ended) == (JobState.DONE, 100, True)
    counts = [view.row.done_count for view in seen]
    assert counts == sorted(counts)
    events = [event for event in await shop.all_events() if event.action.endswith("/Watch")]
    assert len(events) == 1


async def test_a_job_rests_between_chunks_and_leaves_its_lane_to_others(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    await shop.issue(20)
    await shop.issue(20, "other")
    job_id = (await create(shop, rest_ms=60_000)).job.row.job_id
    shop.clock.advance(1)  # the older job is leased first
    await create(shop, program="other")
    await shop.work(lambda: bool(shop.database.rows("job", program="other", state=JobState.DONE)))
    assert len(shop.database.rows("reissue", program="netcash")) == 5
    for turn in (shop.rotation.pause, shop.rotation.resume):  # which ends the rest
        await turn(shop.call(request_id=uuid4()), "netcash", job_id)
    await shop.work(lambda: len(shop.database.rows("reissue", program="netcash")) == 10)


@pytest.mark.parametrize(
    "orders",
    [
        (WAITING, WAITING),
        (WAITING, ReissueOrder(wanted=CardsWanted(states=(CardState.ACTIVE,)))),
    ],
)
async def test_two_reissues_of_the_same_cards_do_not_go_together(
    shop: Workshop, orders: tuple[ReissueOrder, ReissueOrder]
) -> None:
    await shop.program()
    first = await create(shop, orders[0])
    with pytest.raises(FailedPrecondition) as refused:
        await create(shop, orders[1])
    assert refused.value.reason == "JOB_RUNNING"
    assert refused.value.metadata == {"job_id": first.job.row.job_id.hex()}
    await shop.rotation.cancel(shop.call(request_id=uuid4()), "netcash", first.job.row.job_id)
    await create(shop, orders[1])


async def test_reissues_of_other_cards_and_batches_go_together(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    batches = [(await shop.issued_batch(2)).row.batch_id for _ in range(2)]
    (code,) = (await shop.issue()).codes
    for batch_id in batches:
        await create(shop, ReissueOrder(wanted=CardsWanted(batch_ids=[batch_id])))
    await create(shop, ReissueOrder(cards=[Selector(code.card_id)]))
    await create(shop, ReissueOrder(cards=[Selector(code.card_id)]))
    await create(shop, program="other")
    await shop.batch(30)
    await shop.work_all()
    assert {job["state"] for job in shop.database.rows("job")} == {JobState.DONE}
    assert await check_invariants(shop) == 35


async def test_of_two_creations_at_the_same_time_one_wins(shop: Workshop) -> None:
    await shop.program()
    made = await asyncio.gather(*(create(shop, WAITING) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, FailedPrecondition) for each in made) == 3
    assert shop.database.count("job") == 1


async def test_a_closed_program_is_not_reissued_and_a_stopped_one_is(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(3)
    await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
    assert (await reissued(shop)).row.done_count == 3
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    with pytest.raises(FailedPrecondition) as refused:
        await create(shop)
    assert refused.value.reason == "PROGRAM_CLOSED"


async def test_a_job_whose_program_is_closed_meanwhile_fails_for_good(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(100)
    created = await create(shop)
    await shop.work(lambda: shop.database.count("reissue") >= 10)
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    await shop.work_all()
    view = await shop.rotation.get(shop.call(), "netcash", created.job.row.job_id)
    assert (view.row.state, view.row.last_error) == (JobState.FAILED, "PROGRAM_CLOSED")
    assert view.row.done_count == shop.database.count("reissue") < 100


async def test_what_is_named_must_be_there(shop: Workshop) -> None:
    await shop.program()
    for order, reason in (
        (ReissueOrder(recipient="nobody"), "RECIPIENT_NOT_FOUND"),
        (ReissueOrder(incident_id=bytes(16)), "INCIDENT_NOT_FOUND"),
        (ReissueOrder(wanted=CardsWanted(batch_ids=[bytes(16)])), "BATCH_NOT_FOUND"),
    ):
        with pytest.raises(NotFound) as refused:
            await create(shop, order)
        assert refused.value.reason == reason
    with pytest.raises(NotFound):
        await create(shop, program="nowhere")
    for wrong in (RotationOrder(JobKind.RETAG, "netcash"), RotationOrder(JobKind.REKEY)):
        with pytest.raises(InvalidInput):
            await shop.rotation.create(shop.call(), wrong, validate_only=True)


async def test_jobs_that_move_the_same_rows_do_not_go_together_and_others_do(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    await shop.issue(3)
    await create(shop, WAITING)

    async def begin(kind: JobKind, program: str = "netcash") -> Created:
        order = RotationOrder(kind, program)
        return await shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)

    assert (await begin(JobKind.REKEY)).job.row.total_count == 3
    await begin(JobKind.RETAG, "")
    await begin(JobKind.REKEY, "other")
    for kind in (JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT):
        with pytest.raises(FailedPrecondition) as refused:
            await begin(kind)
        assert refused.value.reason == "JOB_RUNNING"
    with pytest.raises(FailedPrecondition):
        await begin(JobKind.RETAG, "")
    (job,) = await shop.rotation.page(shop.call(), "", None, 10)
    assert (job.row.kind, job.phase) == (JobKind.RETAG, "promote")


async def test_cards_are_added_only_to_a_job_of_chosen_cards_that_has_not_begun(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(2)).codes
    whole = await create(shop, WAITING)
    chosen = await create(shop, ReissueOrder(cards=[Selector(codes[0].card_id)]))
    for created, reason in ((whole, "NOT_CHOSEN_CARDS"), (chosen, "JOB_RUNNING")):
        with pytest.raises(FailedPrecondition) as refused:
            await shop.rotation.add_cards(
                shop.call(request_id=uuid4()), "netcash", created.job.row.job_id, [Selector(codes[1].card_id)]
            )
        assert refused.value.reason == reason


async def test_a_retried_addition_is_answered_alike(shop: Workshop) -> None:
    await shop.program()
    codes = (await shop.issue(3)).codes
    created = await create(shop, ReissueOrder(cards=[Selector(codes[0].card_id)], await_start=True))
    call = shop.call(request_id=uuid4())
    some = [Selector(code.card_id) for code in codes]
    first = await shop.rotation.add_cards(call, "netcash", created.job.row.job_id, some)
    assert await shop.rotation.add_cards(call, "netcash", created.job.row.job_id, some) == first
    assert [change.outcome.name for change in first.changes] == ["REPEATED", "DONE", "DONE"]
    assert first.card_count == 3
