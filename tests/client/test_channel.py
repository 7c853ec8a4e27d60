"""Calls over TLS: deadlines, repetitions, errors; packages that survive a broken stream."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.client.conftest import Peer
from vault.cli.certificates import create_all
from vault.client import connect, save_package
from vault.errors import AlreadyExists, IntegrityFailure, InvalidInput, NotFound, Unavailable
from vault.status import to_status
from vault.v1 import issuance_service_pb2_grpc, validation_service_pb2_grpc
from vault.v1.issuance_service_pb2 import ExportBatchRequest, ExportBatchResponse
from vault.v1.resources_pb2 import Manifest, PresentedCode, Verdict
from vault.v1.validation_service_pb2 import (
    RedeemCodeRequest,
    RedeemCodeResponse,
    ValidateCodeRequest,
    ValidateCodeResponse,
    ValidatedCode,
)

BATCH = "6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a"
PACKAGE = bytes(range(256)) * 40


class Validation(validation_service_pb2_grpc.ValidationServiceServicer):
    """Fails as often as it is told to, then answers; only what a test calls is there."""

    def __init__(self, *errors: BaseException, delay_seconds: float = 0.0) -> None:
        self.errors = list(errors)
        self.delay_seconds = delay_seconds
        self.request_ids: list[str] = []
        self.calls = 0

    async def ValidateCode(self, request: ValidateCodeRequest, context: Any) -> ValidateCodeResponse:  # noqa: N802
        await self.fail_if_due(context)
        return ValidateCodeResponse(result=ValidatedCode(verdict=Verdict.VERDICT_GOOD))

    async def RedeemCode(self, request: RedeemCodeRequest, context: Any) -> RedeemCodeResponse:  # noqa: N802
        self.request_ids.append(request.request_id)
        await self.fail_if_due(context)
        return RedeemCodeResponse(verdict=Verdict.VERDICT_GOOD)

    async def fail_if_due(self, context: Any) -> None:
        self.calls += 1
        await asyncio.sleep(self.delay_seconds)
        if self.errors:
            status = to_status(self.errors.pop(0), "a-correlation-id")
            await context.abort(status.code, status.details, status.trailing_metadata)


class Issuance(issuance_service_pb2_grpc.IssuanceServiceServicer):
    """Streams a package, breaking off every so many bytes."""

    def __init__(self, *, break_every: int = 10**9, sha256: bytes = hashlib.sha256(PACKAGE).digest()) -> None:
        self.break_every = break_every
        self.sha256 = sha256
        self.offsets: list[int] = []

    async def ExportBatch(  # noqa: N802
        self, request: ExportBatchRequest, context: Any
    ) -> AsyncIterator[ExportBatchResponse]:
        self.offsets.append(request.offset)
        yield ExportBatchResponse(size_bytes=len(PACKAGE))
        sent = 0
        for start in range(request.offset, len(PACKAGE), 1000):
            chunk = PACKAGE[start : start + 1000]
            yield ExportBatchResponse(chunk=chunk)
            sent += len(chunk)
            if sent >= self.break_every and start + 1000 < len(PACKAGE):
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
        yield ExportBatchResponse(manifest=Manifest(entries=7, size_bytes=len(PACKAGE), sha256=self.sha256))


def serve_validation(peer: Peer, *errors: BaseException, delay_seconds: float = 0.0) -> Validation:
    servicer = Validation(*errors, delay_seconds=delay_seconds)  # type: ignore[abstract]  # the rest is never called
    validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(servicer, peer.server)
    return servicer


def serve_issuance(peer: Peer, **how: Any) -> Issuance:
    servicer = Issuance(**how)  # type: ignore[abstract]  # the rest is never called
    issuance_service_pb2_grpc.add_IssuanceServiceServicer_to_server(servicer, peer.server)
    return servicer


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


QUESTION = ValidateCodeRequest(programs=["netcash"], code=PresentedCode(code="1234567890123452"))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_call_over_mutual_tls_is_answered(peer: Peer, host: str) -> None:
    serve_validation(peer)
    async with await peer.client(host=host) as client:
        answer = await client.call(client.validation.ValidateCode, QUESTION)
    assert answer.result.verdict == Verdict.VERDICT_GOOD


async def test_a_read_is_repeated_while_the_vault_is_unavailable(peer: Peer) -> None:
    servicer = serve_validation(peer, Unavailable("starting"), Unavailable("starting"))
    async with await peer.client() as client:
        await client.call(client.validation.ValidateCode, QUESTION)
    assert servicer.calls == 3


async def test_a_change_is_repeated_under_one_request_id(peer: Peer) -> None:
    servicer = serve_validation(peer, Unavailable("starting"))
    request = RedeemCodeRequest(program="netcash", code=QUESTION.code)
    async with await peer.client() as client:
        await client.call(client.validation.RedeemCode, request)
    assert servicer.request_ids == [request.request_id] * 2
    assert request.request_id


async def test_a_refusal_comes_as_our_exception_and_is_not_repeated(peer: Peer) -> None:
    refusal = NotFound("no such card", reason="CARD_NOT_FOUND", metadata={"what": "card"})
    servicer = serve_validation(peer, refusal)
    async with await peer.client() as client:
        with pytest.raises(NotFound, match="no such card") as caught:
            await client.call(client.validation.ValidateCode, QUESTION)
    assert caught.value.reason == "CARD_NOT_FOUND"
    assert servicer.calls == 1


async def test_a_call_ends_by_its_deadline_with_all_its_repetitions(peer: Peer) -> None:
    servicer = serve_validation(peer, *[Unavailable("down")] * 1000)
    async with await peer.client() as client:
        await client.channel.channel_ready()
        for seconds in (0.5, 5.0, 50.0):  # a busy machine may take longer for two tries
            servicer.calls = 0
            with pytest.raises(Unavailable):
                await client.call(client.validation.ValidateCode, QUESTION, timeout_seconds=seconds)
            if servicer.calls > 1:
                break
    assert servicer.calls > 1


async def test_a_slow_answer_is_unavailable_at_the_deadline(peer: Peer) -> None:
    serve_validation(peer, delay_seconds=600.0)
    async with await peer.client() as client:
        with pytest.raises(Unavailable):
            await client.call(client.validation.ValidateCode, QUESTION, timeout_seconds=0.3)


async def test_a_vault_of_another_authority_is_not_spoken_to(peer: Peer, tmp_path: Path) -> None:
    create_all(tmp_path / "other", {})
    servicer = serve_validation(peer)
    async with await peer.client():
        pass
    stranger = connect(
        f"localhost:{peer.port}",
        ca=tmp_path / "other" / "ca.pem",
        certificate=peer.certificates / "shop.pem",
        private_key=peer.certificates / "shop.key",
    )
    async with stranger:
        with pytest.raises(Unavailable):
            await stranger.call(stranger.validation.ValidateCode, QUESTION, timeout_seconds=0.5)
    assert servicer.calls == 0


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidInput, match=r"missing\.pem"):
        connect("localhost:1", ca=missing, certificate=missing, private_key=missing)


async def test_a_package_is_saved_through_broken_streams(peer: Peer, tmp_path: Path) -> None:
    servicer = serve_issuance(peer, break_every=3000)
    path = tmp_path / "package"
    seen: list[tuple[int, int]] = []
    async with await peer.client() as client:
        manifest = await save_package(client, "netcash", BATCH, path, lambda done, size: seen.append((done, size)))
    assert path.read_bytes() == PACKAGE
    assert path.stat().st_mode & 0o777 == 0o600
    assert servicer.offsets == [0, 3000, 6000, 9000]
    assert manifest.entries == 7
    assert seen[-1] == (len(PACKAGE), len(PACKAGE))
    assert names_in(tmp_path) == ["package"]


async def test_a_package_goes_on_where_an_earlier_try_ended(peer: Peer, tmp_path: Path) -> None:
    servicer = serve_issuance(peer)
    (tmp_path / "package.part").write_bytes(PACKAGE[:4321])
    async with await peer.client() as client:
        await save_package(client, "netcash", BATCH, tmp_path / "package")
    assert servicer.offsets == [4321]
    assert (tmp_path / "package").read_bytes() == PACKAGE


async def test_a_package_that_is_not_the_manifests_is_thrown_away(peer: Peer, tmp_path: Path) -> None:
    serve_issuance(peer, sha256=bytes(32))
    async with await peer.client() as client:
        with pytest.raises(IntegrityFailure):
            await save_package(client, "netcash", BATCH, tmp_path / "package")
    assert names_in(tmp_path) == []


async def test_a_file_that_exists_is_not_overwritten_by_a_package(peer: Peer, tmp_path: Path) -> None:
    serve_issuance(peer)
    path = tmp_path / "package"
    path.write_bytes(b"mine")
    async with await peer.client() as client:
        with pytest.raises(AlreadyExists):
            await save_package(client, "netcash", BATCH, path)
    assert path.read_bytes() == b"mine"
