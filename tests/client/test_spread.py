"""A client of several vaults: calls go round, and a vault that dies, hangs or vanishes costs no call."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from tests.client.conftest import Peer
from tests.client.test_channel import QUESTION, Validation, serve_validation
from vault.client import VaultClient, channel, connect
from vault.client.spread import parse_addresses
from vault.errors import InvalidInput, Unavailable
from vault.v1.resources_pb2 import Verdict
from vault.v1.validation_service_pb2 import RedeemCodeRequest


@pytest.fixture
async def peers(certificates: Path) -> AsyncIterator[list[Peer]]:
    peers = [Peer(certificates) for _ in range(3)]
    yield peers
    for peer in peers:
        await peer.server.stop(None)


def client_of(peers: list[Peer], addresses: str = "", **how: float) -> VaultClient:
    folder = peers[0].certificates
    return connect(
        addresses or ",".join(f"localhost:{peer.port}" for peer in peers),
        ca=folder / "ca.pem",
        certificate=folder / "shop.pem",
        private_key=folder / "shop.key",
        **{"timeout_seconds": 120.0, **how},  # type: ignore[arg-type]
    )


async def serve(peers: list[Peer]) -> list[Validation]:
    servicers = [serve_validation(peer) for peer in peers]
    for peer in peers:
        await peer.server.start()
    return servicers


async def ask(client: VaultClient, times: int = 1, timeout_seconds: float = 120.0) -> None:
    for _ in range(times):
        answer = await client.call(client.validation.ValidateCode, QUESTION, timeout_seconds)
        assert answer.result.verdict == Verdict.VERDICT_GOOD


async def connected(client: VaultClient, servicers: list[Validation]) -> None:
    """Call until every vault has answered."""
    async with asyncio.timeout(120):
        while not all(servicer.calls for servicer in servicers):
            await ask(client)


async def test_calls_go_round_over_every_vault(peers: list[Peer]) -> None:
    servicers = await serve(peers)
    async with client_of(peers) as client:
        await connected(client, servicers)
        for servicer in servicers:
            servicer.calls = 0
        await ask(client, 30)
    assert [servicer.calls for servicer in servicers] == [10, 10, 10]


async def test_a_vault_that_dies_costs_no_call_and_is_used_again_when_it_is_back(certificates: Path) -> None:
    first, second = Peer(certificates), Peer(certificates)
    servicers = await serve([first, second])
    async with client_of([first, second]) as client:
        await connected(client, servicers)
        asking = [asyncio.create_task(ask(client, 50)) for _ in range(4)]
        await asyncio.sleep(0.02)
        with socket.socket() as held:
            # Bound and never listening, it keeps the port for the vault that comes back.
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                held.setsockopt(socket.SOL_SOCKET, option, 1)
            held.bind(("127.0.0.1", first.port))
            await first.server.stop(None)
            await asyncio.gather(*asking)
            before = servicers[1].calls
            await ask(client, 10)
            assert servicers[1].calls == before + 10
            back = Peer(certificates, first.port)
        (returned,) = await serve([back])
        async with asyncio.timeout(120):
            while not returned.calls:
                await ask(client)
                await asyncio.sleep(0.05)
    await back.server.stop(None)
    await second.server.stop(None)


async def test_changes_ride_over_a_death_under_one_request_id(peers: list[Peer]) -> None:
    broken, *sound = await serve(peers)
    async with client_of(peers) as client:
        await connected(client, [broken, *sound])
        broken.errors.append(Unavailable("dying"))
        requests = [RedeemCodeRequest(program="netcash", code=QUESTION.code) for _ in range(3)]
        for request in requests:
            await client.call(client.validation.RedeemCode, request)
    seen = [request_id for servicer in (broken, *sound) for request_id in servicer.request_ids]
    assert len(seen) == 4
    assert set(seen) == {request.request_id for request in requests}


async def test_a_vault_that_hangs_takes_half_of_a_calls_time_at_most(peers: list[Peer]) -> None:
    peers = peers[:2]
    hanging, sound = await serve(peers)
    async with client_of(peers) as client:
        await connected(client, [hanging, sound])
        hanging.delay_seconds = 600.0
        await asyncio.gather(*(ask(client, timeout_seconds=16.0) for _ in range(4)))


async def test_a_machine_that_vanished_is_noticed_by_pings(peers: list[Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    # The same settings, a quarter of the time each.
    monkeypatch.setattr(channel, "PINGS", tuple((name, value // 4) for name, value in channel.PINGS))
    peer, sound = peers[:2]
    servicers = await serve([peer, sound])
    async with Wire(peer.port) as wire:
        addresses = f"localhost:{wire.port},localhost:{sound.port}"
        async with client_of(peers, addresses) as client:
            await connected(client, servicers)
            wire.cut.set()
            began = time.monotonic()
            await asyncio.gather(*(ask(client, timeout_seconds=240.0) for _ in range(4)))
            assert time.monotonic() - began < 110.0, "half of a call's time was not waited for"
            before = servicers[1].calls
            await ask(client, 4)
            assert servicers[1].calls >= before + 4


async def test_without_any_vault_a_call_ends_by_its_deadline(certificates: Path) -> None:
    peers = [Peer(certificates), Peer(certificates)]
    for peer in peers:
        await peer.server.stop(None)
    began = time.monotonic()
    async with client_of(peers, timeout_seconds=1.0) as client:
        with pytest.raises(Unavailable):
            await client.call(client.validation.ValidateCode, QUESTION)
    assert time.monotonic() - began < 60.0


async def test_each_vaults_certificate_is_checked_against_its_own_host(peers: list[Peer]) -> None:
    peers = peers[:2]
    servicers = await serve(peers)
    # 127.0.0.2 is this machine too, but the certificate is not for it.
    addresses = f"localhost:{peers[0].port},127.0.0.2:{peers[1].port}"
    async with client_of(peers, addresses) as client:
        await ask(client, 5)
    assert [servicer.calls for servicer in servicers] == [5, 0]


def test_addresses_are_read_one_by_one() -> None:
    assert parse_addresses("one:1") == ["one:1"]
    assert parse_addresses(" one:1, [::1]:2 ,10.0.0.1:65535") == ["one:1", "[::1]:2", "10.0.0.1:65535"]


@pytest.mark.parametrize("text", ["", "one", "one:", ":1", "::1:2", "one:0", "one:65536", "one:1,", "one:1,one:1"])
def test_what_is_no_list_of_addresses_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_addresses(text)


class Wire:
    """A relay before a server, which can be cut without a word to either end."""

    def __init__(self, port: int) -> None:
        self.cut = asyncio.Event()
        self.port = 0
        self._to = port
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers += (writer, back)
        for source, target in ((reader, back), (there, writer)):
            self._tasks.add(asyncio.create_task(self._pump(source, target)))

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                if not self.cut.is_set():
                    target.write(data)
                    await target.drain()
        if not self.cut.is_set():
            target.close()
