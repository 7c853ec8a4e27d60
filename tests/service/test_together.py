"""Officers of several processes who do the same, or the opposite, at the same moment."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.jobs.keymoves import begin
from tests.service.desk import Desk
from tests.service.invariants import check_invariants
from tests.service.orders import create
from tests.workshop import Workshop, workshop
from vault.errors import FailedPrecondition
from vault.model.states import CardState, IncidentScope, IncidentState, JobKind, JobState
from vault.service.incidents.timeline import jobs_of
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.joborder import ReissueOrder, RotationOrder
from vault.service.rotation.jobstart import check_alone
from vault.service.rotation.naming import MOVED_BY
from vault.stores.postgres import Address

PROCESSES = 3
SOLD = CardPlan(state=CardState.ACTIVE)
PATIENCE_SECONDS = 0.5


@pytest.fixture
async def shops(tmp_path: Path, shop_address: Address | None) -> AsyncIterator[list[Workshop]]:
    """Open one vault as several processes would, each with a store of its own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]


@pytest.mark.parametrize("kind", [JobKind.REISSUE, *MOVED_BY])
async def test_a_job_started_by_several_processes_with_one_request_id_is_one_job(
    shops: list[Workshop], kind: JobKind
) -> None:
    first = shops[0]
    await first.program()
    await first.issue(4, plan=SOLD)
    incident = await Desk(first).open(IncidentScope.PROGRAM)
    reissue = ReissueOrder(incident_id=incident.incident_id) if kind == JobKind.REISSUE else None
    order = RotationOrder(kind, "" if kind == JobKind.RETAG else "netcash", reissue)
    call = first.call("CreateRotationJob", request_id=uuid4(), body=b"one body")
    starts = [shop.rotation.create(call, order, validate_only=False) for shop in shops * 3]
    made = await asyncio.gather(*starts)
    assert len({each.job.row.job_id for each in made}) == 1
    await asyncio.gather(*(shop.work_all() for shop in shops))
    assert (await shops[1].rotation.create(call, order, validate_only=False)).job.row.state == JobState.DONE
    assert [job["state"] for job in first.database.rows("job")] == [JobState.DONE]
    assert {card["generation"] for card in first.database.rows("card")} == {2 if reissue else 1}
    steps = [step["action"] for step in first.database.rows("incident_step")]
    assert steps == ["OpenIncident", *["CreateRotationJob"] * (reissue is not None)]
    assert await check_invariants(first) == 4


class Meeting:
    """Has one transaction wait, after it read and before it writes, until the other's is over, or cannot be."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.over = threading.Event()

    def after(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return work that waits once it is done, the first time."""

        def waiting(*args: Any) -> Any:
            done = work(*args)
            if not self.arrived.is_set():
                self.arrived.set()
                self.over.wait(PATIENCE_SECONDS)  # with SQLite the other cannot even begin
            return done

        return waiting


@pytest.mark.parametrize("slow", ["close", "create"])
async def test_an_incident_is_closed_or_its_reissue_begins_but_never_both(
    shops: list[Workshop], slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, creating, _ = shops
    meeting = Meeting()
    if slow == "close":
        monkeypatch.setattr("vault.service.incidents.incidents.jobs_of", meeting.after(jobs_of))
    else:
        monkeypatch.setattr("vault.service.rotation.rotation.check_alone", meeting.after(check_alone))
    await closing.program()
    await closing.issue(3, plan=SOLD)
    desk = Desk(closing)
    incident = await desk.open(IncidentScope.PROGRAM)
    call = desk.call("CloseIncident")
    close = desk.incidents.close(call, "netcash", incident.incident_id, "a false alarm")
    begun = create(creating, ReissueOrder(incident_id=incident.incident_id))
    waiting, other = (close, begun) if slow == "close" else (begun, close)
    first = asyncio.create_task(waiting)
    assert await asyncio.to_thread(meeting.arrived.wait, 60)
    second = asyncio.create_task(other)
    await asyncio.wait({second}, timeout=PATIENCE_SECONDS / 2)
    meeting.over.set()
    results = await asyncio.gather(first, second, return_exceptions=True)
    (refused,) = (result for result in results if isinstance(result, BaseException))
    assert isinstance(refused, FailedPrecondition)
    (row,) = closing.database.rows("incident")
    closed = row["state"] == IncidentState.CLOSED
    assert refused.reason == ("INCIDENT_CLOSED" if closed else "JOBS_UNFINISHED")
    assert closing.database.count("job") == (not closed)
    steps = [step["action"] for step in closing.database.rows("incident_step")]
    assert steps == ["OpenIncident", "CloseIncident" if closed else "Create"]
    assert row["revision"] == 2


async def test_key_jobs_that_move_the_same_rows_begin_only_once(shops: list[Workshop]) -> None:
    await shops[0].program()
    await shops[0].issue(3, plan=SOLD)
    rivals = (JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT)
    made = await asyncio.gather(*map(begin, shops, rivals), return_exceptions=True)
    assert sum(isinstance(each, FailedPrecondition) for each in made) == 2
    assert shops[0].database.count("job") == 1
    await shops[0].work_all()
    assert await check_invariants(shops[0]) == 3
