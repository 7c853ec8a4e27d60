"""Watching jobs and saving packages of re-issues, through broken streams."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.client.conftest import Peer
from vault.client import save_rotation_package
from vault.errors import NotFound, Unavailable
from vault.status import to_status
from vault.v1 import rotation_service_pb2_grpc
from vault.v1.resources_pb2 import Manifest, RotationJob
from vault.v1.rotation_service_pb2 import (
    ExportRotationPackageRequest,
    ExportRotationPackageResponse,
    WatchRotationJobRequest,
    WatchRotationJobResponse,
)

JOB = "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
PACKAGE = bytes(range(256)) * 20
RUNNING, DONE = RotationJob.STATE_RUNNING, RotationJob.STATE_DONE

Part = int | BaseException | None


class Rotation(rotation_service_pb2_grpc.RotationServiceServicer):
    """Streams what it is told to: counts of running jobs, an error, or None for the job that is done."""

    def __init__(self, *watched: Sequence[Part], break_every: int = 10**9) -> None:
        self.watched = list(watched)
        self.break_every = break_every
        self.begun = 0
        self.offsets: list[int] = []

    async def WatchRotationJob(  # noqa: N802
        self, request: WatchRotationJobRequest, context: Any
    ) -> AsyncIterator[WatchRotationJobResponse]:
        self.begun += 1
        for part in self.watched.pop(0):
            if isinstance(part, BaseException):
                status = to_status(part, "a-correlation-id")
                await context.abort(status.code, status.details, status.trailing_metadata)
            else:
                state = DONE if part is None else RUNNING
                yield WatchRotationJobResponse(
                    job=RotationJob(job_id=request.job_id, state=state, seen_count=part or 0)
                )

    async def ExportRotationPackage(  # noqa: N802
        self, request: ExportRotationPackageRequest, context: Any
    ) -> AsyncIterator[ExportRotationPackageResponse]:
        self.offsets.append(request.offset)
        yield ExportRotationPackageResponse(size=len(PACKAGE))
        sent = 0
        for start in range(request.offset, len(PACKAGE), 1000):
            yield ExportRotationPackageResponse(content=PACKAGE[start : start + 1000])
            sent += 1000
            if sent >= self.break_every and start + 1000 < len(PACKAGE):
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        manifest = Manifest(entries=7, size_bytes=len(PACKAGE), sha256=hashlib.sha256(PACKAGE).digest())
        yield ExportRotationPackageResponse(manifest=manifest)


def serve(peer: Peer, *watched: Sequence[Part], break_every: int = 10**9) -> Rotation:
    servicer = Rotation(*watched, break_every=break_every)  # type: ignore[abstract]  # the rest is never called
    rotation_service_pb2_grpc.add_RotationServiceServicer_to_server(servicer, peer.server)
    return servicer


async def seen(peer: Peer, timeout_seconds: float = 120.0) -> list[tuple[int, int]]:
    async with await peer.client(timeout_seconds=timeout_seconds) as client:
        return [(job.state, job.seen_count) async for job in client.watch_job("netcash", JOB)]


async def test_a_job_is_watched_until_it_has_ended(peer: Peer) -> None:
    serve(peer, [1, 2, None])
    assert await seen(peer) == [(RUNNING, 1), (RUNNING, 2), (DONE, 0)]


async def test_a_broken_watch_goes_on_by_itself(peer: Peer) -> None:
    servicer = serve(peer, [1, Unavailable("gone")], [], [2, None])
    assert await seen(peer) == [(RUNNING, 1), (RUNNING, 2), (DONE, 0)]
    assert servicer.begun == 3


async def test_a_refused_watch_is_told(peer: Peer) -> None:
    serve(peer, [NotFound("no such job", reason="JOB_NOT_FOUND")])
    with pytest.raises(NotFound) as caught:
        await seen(peer)
    assert caught.value.reason == "JOB_NOT_FOUND"


async def test_a_vault_that_stays_away_ends_the_watch(peer: Peer) -> None:
    serve(peer, *[[Unavailable("gone")] for _ in range(100)])
    with pytest.raises(Unavailable):
        await asyncio.wait_for(seen(peer, timeout_seconds=0.5), 120)


async def test_a_package_of_new_codes_is_saved_through_broken_streams(peer: Peer, tmp_path: Path) -> None:
    servicer = serve(peer, break_every=2000)
    path = tmp_path / "package"
    async with await peer.client() as client:
        manifest = await save_rotation_package(client, "netcash", JOB, path)
    assert (path.read_bytes(), manifest.entries) == (PACKAGE, 7)
    assert servicer.offsets == [0, 2000, 4000]
