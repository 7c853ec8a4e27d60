"""A disk that is full while cards are re-issued: the vault stays up, says so, and goes on when there is room."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.service.wholeness import check_whole
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.places import set_store
from tests.system.rotating import DONE, RUNNING, Officer, opened
from tests.system.running import Running
from vault.client.channel import VaultClient
from vault.errors import Unavailable
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

CARDS = 6_000
DISK_MIB = 48
ROOM_BYTES = 1024 * 1024
FULL_SECONDS = 3.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=0700", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"a full disk is not tested, since no file system can be mounted here: {error}")
    if mounted.returncode:
        pytest.skip(f"a full disk is not tested, since no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def vault(tmp_path: Path, disk: Path) -> Iterator[Running]:
    made = Running(tmp_path / "vault", migrate=False)
    set_store(made.configuration, path=str(disk / "vault.db"))
    made = Running(tmp_path / "vault")
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            made.kill()


def _fill(disk: Path) -> Path:
    """Leave next to no room."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    size = room.f_bavail * room.f_frsize - ROOM_BYTES
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
    return ballast


async def _verdict(client: VaultClient, code: str, seconds: float | None = None) -> resources.Verdict.ValueType:
    request = validation.ValidateCodeRequest(programs=[PROGRAM], code=resources.PresentedCode(code=code))
    answer = await client.call(client.validation.ValidateCode, request, seconds)
    return answer.result.verdict


async def _wait_full(client: VaultClient, code: str) -> None:
    """Wait until a validation, which leaves an event, cannot be written, and its caller is told why."""
    async with asyncio.timeout(240):
        while True:
            try:
                await _verdict(client, code, 1.0)
            except Unavailable as error:
                if "full" in error.message:
                    return
            await asyncio.sleep(0.01)


def _job_waits(vault: Running) -> bool:
    """Whether the log says that the job waits: at a chunk of it, or still at taking its lease."""
    log = vault.log.read_text(encoding="utf-8").splitlines()
    waits = [line for line in log if "job_waits" in line or "job_lane_failed" in line]
    return any("the disk is full" in line for line in waits)


async def test_a_reissue_waits_while_the_disk_is_full_and_ends_right_once_there_is_room(
    vault: Running, disk: Path
) -> None:
    await create_program(vault)
    cards = await issue(vault, CARDS, active=True)
    (kept, _), *leaked = cards
    before = sorted(vault.children())
    async with vault.client("officer") as client, vault.client("shop") as shop:
        officer = Officer(client)
        incident_id = await officer.incident_over([card for card, _ in leaked])
        ballast = _fill(disk)
        job_id = await officer.reissue(incident_id, 0)
        await _wait_full(shop, cards[0][1])
        async with asyncio.timeout(240):
            while not _job_waits(vault):  # noqa: ASYNC110  the log is what tells
                await asyncio.sleep(0.05)
        await asyncio.sleep(FULL_SECONDS)
        assert sorted(vault.children()) == before
        with pytest.raises(Unavailable):
            await _verdict(shop, cards[0][1], 1.0)
        os.truncate(ballast, 0)
        async with asyncio.timeout(300):
            while (job := await officer.job(job_id)).state != DONE:
                assert job.state == RUNNING
                await asyncio.sleep(0.05)
        assert (job.done_count, job.error_count) == (CARDS - 1, 0)
        assert await _verdict(shop, cards[0][1]) == resources.VERDICT_GOOD
        assert await _verdict(shop, cards[1][1]) == resources.VERDICT_NOT_GOOD
    assert sorted(vault.children()) == before
    assert await asyncio.to_thread(vault.stop) == 0
    async with opened(vault.configuration) as inside:
        codes = await check_whole(inside)
        assert {card for card, generations in codes.items() if len(generations) == 1} == {UUID(kept).bytes}
