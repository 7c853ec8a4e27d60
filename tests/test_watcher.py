"""A watcher over real processes that never come up, in this process's own event loop."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from vault.health import Health, State
from vault.process import Process
from vault.watcher import Surroundings, Watcher

SILENT = "import time; time.sleep(600)"
TALKATIVE = "import os, time; os.write(int(os.environ['CARDVAULT_READY_FD']), {said!r}); time.sleep(600)"
SILENT_START_SECONDS = 0.7
START_SECONDS = HANG_SECONDS = 300.0


class Vault:
    """What surrounds a watcher: each launch runs the next of some Python programs, the last one again and again."""

    def __init__(self, *programs: str) -> None:
        self.programs = list(programs)
        self.launched: list[Process] = []
        self.gone: list[int] = []
        self.health = Health()
        self.stopping = asyncio.Event()
        self.up = asyncio.Event()
        self.fatal: list[str] = []
        self.watcher = Watcher(
            "worker-1",
            Surroundings(
                self._launch,
                self.health,
                self.stopping,
                stop_seconds=120.0,
                came_up=lambda _: self.up.set(),
                is_fatal=self._is_fatal,
                gone=self.gone.append,
            ),
        )

    async def _launch(self, _: str) -> Process:
        if not self.programs[0]:
            self.programs.pop(0)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        program = self.programs.pop(0) if len(self.programs) > 1 else self.programs[0]
        seconds = SILENT_START_SECONDS if program == SILENT else START_SECONDS
        process = await Process.start([sys.executable, "-c", program], start_seconds=seconds, hang_seconds=HANG_SECONDS)
        self.launched.append(process)
        return process

    def _is_fatal(self, problem: str) -> bool:
        self.fatal.append(problem)
        return True


def talkative(*lines: bytes) -> str:
    return TALKATIVE.format(said=b"".join(line + b"\n" for line in lines))


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0.01)


READY = talkative(b'{"ready": true}')


@asynccontextmanager
async def kept(*programs: str) -> AsyncIterator[Vault]:
    vault = Vault(*programs)
    task = asyncio.create_task(vault.watcher.run())
    try:
        async with asyncio.timeout(240):
            yield vault
            vault.stopping.set()
            await task
    finally:
        task.cancel()
    assert all(process.status is not None for process in vault.launched)
    assert sorted(vault.gone) == sorted(process.pid for process in vault.launched)
    assert dict(vault.health.states()) == {}


async def test_a_process_that_does_not_come_up_is_ended_and_another_one_tried(caplog: pytest.LogCaptureFixture) -> None:
    async with kept(SILENT, READY) as vault:
        await vault.up.wait()
        assert vault.health.states()["worker-1"] == State.READY
    assert "process_hung" in [record.message for record in caplog.records]
    assert len(vault.launched) == 2


async def test_a_machine_that_has_no_room_for_a_process_is_asked_again() -> None:
    async with kept("", READY, "", READY) as vault:
        await vault.up.wait()
        assert not await vault.watcher.replace()
        assert dict(vault.health.states()) == {"worker-1": State.READY}
        assert await vault.watcher.replace()


async def test_a_successor_that_does_not_come_up_leaves_the_process_as_it_is() -> None:
    async with kept(READY, SILENT) as vault:
        await vault.up.wait()
        before = vault.watcher.process
        assert not await vault.watcher.replace()
        assert vault.watcher.process is before
        assert dict(vault.health.states()) == {"worker-1": State.READY}


async def test_a_replaced_process_serves_until_its_successor_does() -> None:
    async with kept(READY, READY) as vault:
        await vault.up.wait()
        before = vault.launched[0]
        replacing = asyncio.create_task(vault.watcher.replace())
        await asyncio.sleep(0)
        assert before.status is None
        assert await replacing
        assert vault.gone == [before.pid]
        assert vault.watcher.process is vault.launched[1]
        assert dict(vault.health.states()) == {"worker-1": State.READY}


async def test_a_process_that_rests_before_its_restart_can_be_replaced_too() -> None:
    async with kept("raise SystemExit(1)", READY) as vault:
        await until(lambda: vault.health.states().get("worker-1") == State.ENDED)
        assert await vault.watcher.replace()
        await vault.up.wait()
    assert len(vault.launched) in (2, 3)


async def test_a_stop_while_a_successor_starts_ends_both() -> None:
    async with kept(READY, SILENT) as vault:
        await vault.up.wait()
        replacing = asyncio.create_task(vault.watcher.replace())
        await until(lambda: len(vault.launched) == 2)
        vault.stopping.set()
        assert not await replacing


async def test_whatever_a_process_reports_the_watcher_lives() -> None:
    junk = [b"", b"{", b"[]", b"{}", b"3", b"null", b"\xff\xfe", b"[" * 5000, b'{"x": ' + b"9" * 100_000 + b"}"]
    odd = [b'{"ready": 1}', b'{"alive": null, "stuck": ""}', b'{"reread": 7}']
    async with kept(talkative(*junk, *odd, b'{"ready": true}')) as vault:
        await vault.up.wait()
        assert len(vault.launched) == 1


async def test_what_can_never_start_is_told_with_its_reason() -> None:
    hopeless = talkative(b'{"ready": false, "message": "no root key"}').replace(
        "time.sleep(600)", "raise SystemExit(78)"
    )
    async with kept(hopeless) as vault:
        await until(lambda: vault.fatal)
    assert vault.fatal == ["no root key"]
