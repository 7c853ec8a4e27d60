"""The client rides over connections that the vault ends, and is not held to ping too often."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rpc.authority import Authority
from tests.rpc.conftest import ROOT, Recorded, Running, serving
from vault.client.channel import PINGS, VaultClient, connect
from vault.rpc import limits
from vault.rpc.limits import LEAST_PING_SECONDS, ServingLimits
from vault.v1 import rotation_service_pb2 as rotation
from vault.v1 import validation_service_pb2 as validation

JOB = "12345678-1234-1234-1234-123456789012"
CALLERS = 8


class Trickling(Recorded):
    """Servicers of which the one that watches a job tells of it now and then."""

    def servicers(self) -> dict[str, object]:
        made = super().servicers()

        async def watch(*_: object) -> AsyncIterator[rotation.WatchRotationJobResponse]:
            for _number in range(20):
                yield rotation.WatchRotationJobResponse()
                await asyncio.sleep(0.1)

        made["vault.v1.RotationService"].WatchRotationJob = watch  # type: ignore[attr-defined]
        return made


@pytest.fixture
def authority() -> Authority:
    return Authority()


def client_of(running: Running, folder: Path) -> VaultClient:
    pair = running.authority.client(ROOT)
    for name, content in (("c.crt", pair.certificate), ("c.key", pair.private_key)):
        (folder / name).write_bytes(content)
    (folder / "ca.crt").write_bytes(running.authority.certificate)
    return connect(
        f"localhost:{running.port}",
        ca=folder / "ca.crt",
        certificate=folder / "c.crt",
        private_key=folder / "c.key",
        timeout_seconds=120.0,
    )


async def test_no_call_fails_while_connections_end_all_the_time(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MINUTE_MS", 200)
    recorded = Trickling()
    async with (
        serving(tmp_path, authority, recorded, ServingLimits(connection_minutes=1, queue_ms=10_000)) as running,
        client_of(running, tmp_path) as client,
    ):
        answered = [0] * CALLERS
        ended = asyncio.Event()

        async def keep_asking(number: int) -> None:
            while not ended.is_set() or answered[number] <= 10:
                await client.call(client.validation.ListPublicKeys, validation.ListPublicKeysRequest())
                answered[number] += 1

        async def watch() -> int:
            stream = client.rotation.WatchRotationJob(rotation.WatchRotationJobRequest(job_id=JOB))
            try:
                return len([answer async for answer in stream])
            finally:
                ended.set()

        watched, *_ = await asyncio.gather(watch(), *(keep_asking(number) for number in range(CALLERS)))
        assert watched == 20, "what is in flight finishes on the connection that ends"


def test_the_client_pings_no_more_often_than_the_server_takes() -> None:
    pings = dict(PINGS)
    allowed = dict(limits.server_options(ServingLimits(), 1))["grpc.http2.min_ping_interval_without_data_ms"]
    assert allowed == LEAST_PING_SECONDS * 1000
    assert pings["grpc.keepalive_time_ms"] >= 2 * allowed
    assert pings["grpc.http2.max_pings_without_data"] == 0
