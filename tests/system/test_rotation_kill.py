"""A re-issue, a re-key and a batch's issuance by real processes that are killed, while codes are validated."""

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest

from tests.service.wholeness import check_moved, check_whole
from tests.system import test_kill
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.rotating import DONE, KEY_JOBS, RUNNING, Officer, Shop, opened, tell_details
from tests.system.running import Running
from tests.workshop import Workshop
from vault.client.channel import VaultClient
from vault.model.states import BatchState, JobKind
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import issuance_service_pb2 as issuance
from vault.v1 import resources_pb2 as resources

LEAKED = 3_000
SOLD = 200
BATCH = 2_000
DONE_SECONDS = RESUMED_SECONDS = 300.0
REST_SECONDS = 1
"""Between two chunks of the re-issue, so that it is not done before its process is killed, however late that comes."""


class Case(NamedTuple):
    """A running vault with known codes, some of them leaked, an incident over those, and who works with it."""

    vault: Running
    leaked: Sequence[str]
    incident_id: str
    officer: Officer
    issuer: VaultClient
    shop: Shop


@pytest.fixture(params=["sqlite", "postgres"])
async def case(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Case]:
    dsn = request.getfixturevalue("dsn") if request.param == "postgres" else ""
    vault = Running(tmp_path / "vault", dsn=dsn)
    tell_details(vault)
    async with AsyncExitStack() as stack:
        stack.callback(_end, vault)
        vault.start()
        await create_program(vault)
        operator = await stack.enter_async_context(vault.client("operator"))
        recipient = administration.CreateRecipientRequest(
            program=PROGRAM, recipient="printer", public_key=bytes([9]) + bytes(31)
        )
        await operator.call(operator.administration.CreateRecipient, recipient)
        leaked = await issue(vault, LEAKED, active=True)
        sold = await issue(vault, SOLD, active=True)
        officer = Officer(await stack.enter_async_context(vault.client("officer")))
        incident_id = await officer.incident_over([card for card, _ in leaked])
        issuer = await stack.enter_async_context(vault.client("issuer"))
        shop = Shop(vault, [code for _, code in sold], [code for _, code in leaked])
        yield Case(vault, [card for card, _ in leaked], incident_id, officer, issuer, shop)


def _end(vault: Running) -> None:
    if vault.process is not None:
        vault.kill()


async def _kill(vault: Running, victim: str) -> None:
    if victim == "everything":
        await asyncio.to_thread(vault.kill)
        await asyncio.to_thread(vault.start)
    else:
        for child in vault.children(victim):
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(child, signal.SIGKILL)


async def _moved_on(officer: Officer, job_ids: Sequence[str], programs: Sequence[str], seconds: float) -> float:
    """Wait until one of some jobs has moved on, or all have ended, and return how long that took."""
    began = time.monotonic()

    async def look() -> list[tuple[int, int, str, int]]:
        jobs = [await officer.job(*each) for each in zip(job_ids, programs, strict=True)]
        assert {job.state for job in jobs} <= {RUNNING, DONE}
        return [(job.done_count, job.seen_count, job.phase, job.state) for job in jobs]

    before = await look()
    while before == await look() and not all(state == DONE for *_, state in before):
        assert time.monotonic() < began + seconds, before
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _ended(officer: Officer, job_id: str, program: str = PROGRAM) -> None:
    async with asyncio.timeout(DONE_SECONDS):
        while (job := await officer.job(job_id, program)).state != DONE:
            assert job.state == RUNNING, job
            await asyncio.sleep(0.05)


@asynccontextmanager
async def _stopped(case: Case) -> AsyncIterator[Workshop]:
    """Stop the vault, whose shops got no wrong answer, and look into it."""
    assert case.shop.wrong == {}
    assert case.shop.answers["GOOD"] > SOLD
    print(dict(case.shop.answers), "unavailable", case.shop.unavailable)
    assert await asyncio.to_thread(case.vault.stop) == 0
    async with opened(case.vault.configuration) as inside:
        yield inside


@pytest.mark.timeout(1200)
async def test_jobs_that_run_together_end_whatever_is_killed_and_no_answer_is_wrong(case: Case) -> None:
    dice = random.Random(20060609)
    vault, officer, shop = case.vault, case.officer, case.shop
    async with shop.asking():
        request_id = str(uuid4())
        starts = [officer.reissue(case.incident_id, REST_SECONDS, request_id) for _ in range(4)]
        (reissue,) = set(await asyncio.gather(*starts))
        rekey = await officer.move("rekey", 0)
        batch = issuance.CreateBatchRequest(program=PROGRAM, count=BATCH, recipient="printer")
        batch_id = (await case.issuer.call(case.issuer.issuance.CreateBatch, batch)).batch.batch_id
        shop.frozen = None
        await officer.freeze(case.incident_id)
        shop.frozen = True
        for victim in ("jobs", "everything"):
            await _moved_on(officer, [reissue], [PROGRAM], RESUMED_SECONDS)
            await asyncio.sleep(REST_SECONDS + dice.uniform(-0.1, 0.1))  # as the next chunk begins
            assert (await officer.job(reissue)).state == RUNNING
            await _kill(vault, victim)
            seconds = await _moved_on(officer, [reissue, rekey], [PROGRAM] * 2, RESUMED_SECONDS)
            print(f"killed {victim}: went on after {seconds:.1f} s")
        shop.frozen = None
        await officer.thaw(case.incident_id)
        shop.frozen = False
        for job_id in (reissue, rekey):
            await _ended(officer, job_id)
        async with asyncio.timeout(DONE_SECONDS):
            while (await test_kill.batch_of(case.issuer, batch_id)).state != resources.Batch.STATE_READY:  # noqa: ASYNC110  no event tells
                await asyncio.sleep(0.05)
    assert await officer.reissue(case.incident_id, REST_SECONDS, request_id) == reissue
    async with _stopped(case) as inside:
        codes = await check_whole(inside)
        await check_moved(inside, JobKind.REKEY)
        leaked = {UUID(card).bytes for card in case.leaked}
        assert {card for card, generations in codes.items() if len(generations) == 2} == leaked
        assert len(codes) == LEAKED + SOLD + BATCH
        assert [row["state"] for row in inside.database.rows("batch")] == [BatchState.READY]
        assert len(inside.database.rows("job")) == 3


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", ["reissue", *KEY_JOBS])
async def test_every_kind_of_job_ends_however_often_it_is_killed(case: Case, kind: str) -> None:
    dice = random.Random(kind)
    vault, officer, kills = case.vault, case.officer, 0
    program = "" if kind == "retag" else PROGRAM
    async with case.shop.asking():
        start = officer.reissue(case.incident_id, 1) if kind == "reissue" else officer.move(kind, 1)
        job_id = await start
        while kills < 20 and (await officer.job(job_id, program)).state == RUNNING:
            await asyncio.sleep(dice.uniform(0.0, 0.5))
            await _kill(vault, dice.choice(["jobs", "jobs", "everything", "worker"]))
            kills += 1
            await _moved_on(officer, [job_id], [program], RESUMED_SECONDS)
        await _ended(officer, job_id, program)
    print(kind, "kills:", kills)
    async with _stopped(case) as inside:
        codes = await check_whole(inside)
        assert len(codes) == LEAKED + SOLD
        if kind != "reissue":
            await check_moved(inside, JobKind[kind.upper()])
