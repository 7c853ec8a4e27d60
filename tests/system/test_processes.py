"""Processes that hang, are replaced, or drain while clients trade: nobody gets an error that a retry does not mend."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from tests.system.account import Account, account_of
from tests.system.account import verify as verify_postgres
from tests.system.crew import trade
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.running import Running
from vault.cli.certificates import load_authority
from vault.supervisor import KILL_SECONDS
from vault.v1 import resources_pb2 as resources
from vault.v1 import rotation_service_pb2 as rotation

HANG_SECONDS = 8
ALL_READY = "jobs ready, worker-1 ready, worker-2 ready"
BUGS = '''\
"""Gives this process two bugs, which signals bring out: a blocked event loop, and a thread that hangs in its turn.

The supervisor gets patience instead: for a process that shows its stacks, and for one that reads its files again.
"""

import os
import signal
import sys
import threading
import time

if "--only" in sys.orig_argv:
    if os.environ["STORE"] == "postgres":
        from vault.stores.postgres.writer import Writer
    else:
        from vault.stores.sqlite.writer import Writer

    from vault.wiring import growth

    growth.LOOK_SECONDS = 0.2
    run, hangs = Writer._run, threading.Event()

    def hang(*arguments):
        if hangs.is_set():
            threading.Event().wait()
        return run(*arguments)

    Writer._run = hang
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
    signal.signal(signal.SIGWINCH, lambda *_: hangs.set())
elif "serve" in sys.orig_argv:
    from vault import process, reread

    process._ABORT_SECONDS, reread.ANSWER_SECONDS = 10.0, 120.0
'''


@pytest.fixture
def buggy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every process that is started from now on be one with bugs."""
    (tmp_path / "bugs").mkdir()
    (tmp_path / "bugs" / "sitecustomize.py").write_text(BUGS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "bugs"), str(Path(__file__).parents[2])]))
    monkeypatch.setenv("STORE", "sqlite")


def vault_with(folder: Path, *, dsn: str = "", **settings: int) -> Running:
    """Make a vault with other settings of its processes."""
    vault = Running(folder, dsn=dsn)
    text = vault.configuration.read_text()
    for name, value in settings.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name} = ")]
        text = text.replace(line, f"{name} = {value}")
    vault.configuration.write_text(text)
    return vault


def told(vault: Running, event: str) -> list[dict[str, Any]]:
    """Return what the log says of an event."""
    lines = [line for line in vault.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
    return [line for line in map(json.loads, lines) if line["event"] == event]


async def until(true: Callable[[], object], seconds: float = 300) -> None:
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  no event tells of another process
            await asyncio.sleep(0.05)


def verify(account: Account, database: Path) -> None:
    """Hold what traders were told against the database: nothing lost, nothing done twice, nothing untold."""
    print(f"{account.effects} effects; the longest wait {account.longest_wait_ms} ms")
    assert account.wrong == []
    assert account.unavailable == 0
    connection = sqlite3.connect(database)
    rows = connection.execute("SELECT card_id, revision, redemption_id IS NOT NULL FROM card").fetchall()
    connection.close()
    cards = {str(UUID(bytes=card)): (revision, bool(spent)) for card, revision, spent in rows}
    assert cards.keys() == account.issued.keys()
    assert set(account.issued.values()) <= {1}
    for card, (revision, spent) in cards.items():
        assert spent == (card in account.spent)
        # Each effect raises the revision by one, so one that was done twice is seen here.
        assert revision == 1 + (card in account.sold) + spent


def renew(vault: Running, folder: Path) -> None:
    """Give a vault a new certificate and another access file."""
    folder.mkdir()
    load_authority(vault.certificates).issue_server(folder)
    for name in ("server.key", "server.pem"):
        shutil.move(folder / name, vault.certificates / name)
    with (vault.folder / "access.toml").open("a") as file:
        file.write("# changed")


async def reread(vault: Running, folder: Path) -> None:
    """Change the access file and the certificate, and have them read at once."""
    await asyncio.to_thread(renew, vault, folder)
    assert vault.process
    vault.process.send_signal(signal.SIGHUP)
    await until(lambda: len(told(vault, "files_read_again")) == 2)
    # A worker may have seen them by itself a moment before.
    files = {state for event in told(vault, "files_read_again") for state in event["files"].values()}
    assert files <= {"new", "same"}
    # Looking at the access file by itself and being told to may both have found it new.
    assert len(told(vault, "access_file_loaded")) >= len(told(vault, "certificate_loaded")) == 2


async def watch(vault: Running, number: int, *victims: int) -> None:
    """Have processes hang, and wait until as many are started in their place, and no others."""
    hung, started = len(told(vault, "process_hung")), len(told(vault, "process_started"))
    for victim in victims:
        os.kill(victim, number)
    await until(lambda: len(told(vault, "process_started")) == started + len(victims))
    assert {event["pid"] for event in told(vault, "process_hung")[hung:]} == {*victims}


@asynccontextmanager
async def under_load(vault: Running, folder: Path) -> AsyncIterator[list[Account]]:
    """Run a vault with traders; in the end they go on, then stop, and the vault drains: then their account is there."""
    accounts: list[Account] = []
    vault.start()
    crew = None
    try:
        await create_program(vault)
        crew = trade([vault], folder, processes=1)
        await until(lambda: len(crew.lines()) > 50)
        yield accounts
        goes_on = len(crew.lines()) + 50
        await until(lambda: len(crew.lines()) > goes_on)
        (folder / "stop").touch()
        accounts.append(account_of(await crew.finish(600)))
        assert vault.stop() == 0
    finally:
        if crew:
            crew.end()
        if vault.process:
            vault.kill()


@pytest.mark.usefixtures("buggy")
async def test_whatever_hangs_is_replaced_and_callers_only_wait(tmp_path: Path) -> None:
    vault = vault_with(tmp_path / "vault", hang_seconds=HANG_SECONDS)
    async with under_load(vault, tmp_path) as accounts:
        (jobs,), workers = vault.children("jobs"), vault.children("worker")
        await watch(vault, signal.SIGSTOP, jobs, workers[0])
        await watch(vault, signal.SIGUSR2, workers[1])
        await until(lambda: vault.states() == ALL_READY)
        # This one keeps its turn to write, so every other process waits for it, and must not be blamed.
        await watch(vault, signal.SIGWINCH, vault.children("worker")[0])
    hung = told(vault, "process_hung")
    assert "store's writer has not answered" in hung[-1]["problem"]
    # The stacks name what each was doing.
    ends = {event["pid"]: event for event in told(vault, "process_ended")}
    assert "sitecustomize.py" in ends[workers[1]]["stack"]
    assert "sitecustomize.py" in ends[hung[-1]["pid"]]["stack"]
    verify(accounts[0], tmp_path / "vault" / "data" / "vault.db")


@pytest.mark.usefixtures("buggy")
async def test_what_hangs_over_postgres_is_replaced_and_callers_only_wait(
    tmp_path: Path, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORE", "postgres")
    vault = vault_with(tmp_path / "vault", dsn=dsn, hang_seconds=4, deadline_seconds=1)
    async with under_load(vault, tmp_path) as accounts:
        os.kill(vault.children("worker")[0], signal.SIGUSR2)
        await until(lambda: told(vault, "process_hung"))
        await until(lambda: vault.states() == ALL_READY)
        # This one keeps its transaction open. PostgreSQL ends that, and the supervisor the process.
        os.kill(vault.children("worker")[1], signal.SIGWINCH)
        await until(lambda: any("store's writer" in event["problem"] for event in told(vault, "process_hung")))
        await until(lambda: vault.states() == ALL_READY)
    assert accounts[0].unavailable == 0
    verify_postgres(accounts[0], dsn, PROGRAM)


@pytest.mark.usefixtures("buggy")
async def test_a_worker_that_stays_large_is_replaced_and_callers_notice_nothing(tmp_path: Path) -> None:
    vault = vault_with(tmp_path / "vault", worker_mib=1)
    async with under_load(vault, tmp_path) as accounts:
        await until(lambda: told(vault, "process_grown"))
        (grown,) = told(vault, "process_grown")
        await until(lambda: grown["pid"] not in vault.children("worker"))
        await until(lambda: vault.states() == ALL_READY)
    assert not told(vault, "process_ended")
    assert len(told(vault, "process_grown")) == 1, "one an hour"
    verify(accounts[0], tmp_path / "vault" / "data" / "vault.db")


@pytest.mark.usefixtures("buggy")
async def test_a_rolling_restart_under_load_loses_no_call(tmp_path: Path) -> None:
    vault = vault_with(tmp_path / "vault")
    async with under_load(vault, tmp_path) as accounts:
        await reread(vault, tmp_path / "new")
        before = set(vault.children())
        assert vault.process
        vault.process.send_signal(signal.SIGUSR1)
        await until(lambda: told(vault, "rolling_restart_done"))
        assert not before & set(vault.children())
    assert not told(vault, "process_ended")
    verify(accounts[0], tmp_path / "vault" / "data" / "vault.db")


async def test_a_drain_ends_in_time_whatever_goes_on_for_ever(tmp_path: Path) -> None:
    vault = vault_with(tmp_path / "vault", drain_seconds=1, workers=1)
    vault.start()
    try:
        await create_program(vault)
        ((card, _),) = await issue(vault, 1, active=True)
        async with vault.client("officer") as officer:
            cards = resources.CardList(cards=[resources.CardSelector(card_id=card)])
            chosen = rotation.Reissue(cards=cards, await_start=True)
            order = rotation.CreateRotationJobRequest(program=PROGRAM, request_id=str(uuid4()), reissue=chosen)
            job = (await officer.call(officer.rotation.CreateRotationJob, order)).job
            # It awaits its start, so watching it never ends by itself.
            watching = officer.rotation.WatchRotationJob(
                rotation.WatchRotationJobRequest(program=PROGRAM, job_id=job.job_id)
            )
            assert (await anext(aiter(watching))).job.job_id == job.job_id
            os.kill(vault.children("jobs")[0], signal.SIGSTOP)  # this one would not end by itself either
            began = time.monotonic()
            assert await asyncio.to_thread(vault.stop) == 0
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                [_ async for _ in watching]
        took = time.monotonic() - began
        assert ended.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert took >= 1 + KILL_SECONDS
    finally:
        if vault.process:
            vault.kill()
