"""A real server with real certificates, and servicers that answer constants."""

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message

from tests.rpc.authority import Authority, Pair
from vault.errors import VaultError
from vault.model.states import Role
from vault.policy.access import parse_access
from vault.policy.call import Call
from vault.rpc.calls import Calls
from vault.rpc.contract import SERVICES, methods
from vault.rpc.limits import ServingLimits
from vault.rpc.server import Server
from vault.rpc.tls import TlsFiles

SHOP, DENIED, STRANGER, ROOT = (f"spiffe://test/{name}" for name in ("shop", "denied", "stranger", "root"))
ROLES = [role.name.lower() for role in Role]
ACCESS = f"""
[[principal]]
name = "{SHOP}"
roles = {{ "netcash" = ["validator"] }}
[[principal]]
name = "{DENIED}"
denied = true
[[principal]]
name = "{ROOT}"
roles = {{ "*" = {ROLES} }}
""".replace("'", '"')


class Recorded:
    """Servicers for every method that answer empty messages, and what reached them and the refusal hook."""

    def __init__(self) -> None:
        self.calls: list[tuple[Call, Any]] = []
        self.refusals: list[tuple[Call, VaultError]] = []
        self.raises: BaseException | None = None
        self.hook_raises: Exception | None = None
        self.parts = 3
        self.closed = False

    def servicers(self) -> dict[str, object]:
        return {service.full_name: self._servicer(service.full_name) for service in SERVICES}

    def _servicer(self, service: str) -> object:
        answers = {
            m.name: self._stream(m.response) if m.streams else self._unary(m.response)
            for m in methods()
            if m.service == service
        }
        return type("Servicer", (), {name: staticmethod(answer) for name, answer in answers.items()})()

    def _unary(self, response: type[Message]) -> Callable[[Call, Any], Any]:
        async def answer(call: Call, request: Any) -> Message:
            self.calls.append((call, request))
            if self.raises:
                raise self.raises
            return response()

        return answer

    def _stream(self, response: type[Message]) -> Callable[[Call, Any], Any]:
        async def answer(call: Call, request: Any) -> AsyncIterator[Message]:
            self.calls.append((call, request))
            try:
                for _ in range(self.parts):
                    yield response()
                if self.raises:
                    raise self.raises
            finally:
                self.closed = True

        return answer

    async def on_refused(self, call: Call, error: VaultError) -> None:
        if self.hook_raises:
            raise self.hook_raises
        self.refusals.append((call, error))


class Running:
    """A running server, and channels to it."""

    def __init__(self, folder: Path, authority: Authority, recorded: Recorded, limits: ServingLimits) -> None:
        self.folder = folder
        self.authority = authority
        self.recorded = recorded
        self.port = 0
        access = parse_access(ACCESS.encode())
        self.server = Server(
            recorded.servicers(),
            lambda: access,
            recorded.on_refused,
            tls_files(folder),
            limits=limits,
            calls=Calls(slow_seconds=3600.0),
        )

    @contextlib.asynccontextmanager
    async def channel(self, client: Pair | str | None = ROOT) -> AsyncIterator[grpc.aio.Channel]:
        pair = self.authority.client(client) if isinstance(client, str) else client
        credentials = grpc.ssl_channel_credentials(
            self.authority.certificate, pair and pair.private_key, pair and pair.certificate
        )
        # Connections of their own, or channels with equal arguments would share one.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        async with grpc.aio.secure_channel(f"localhost:{self.port}", credentials, options=options) as channel:
            yield channel


def write_tls(folder: Path, server: Pair, client_ca: bytes) -> None:
    (folder / "server.crt").write_bytes(server.certificate)
    (folder / "client-ca.crt").write_bytes(client_ca)
    key = folder / "server.key"
    key.touch(mode=0o600)
    key.write_bytes(server.private_key)


def tls_files(folder: Path) -> TlsFiles:
    return TlsFiles(folder / "server.crt", folder / "server.key", folder / "client-ca.crt")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@contextlib.asynccontextmanager
async def serving(
    folder: Path, authority: Authority, recorded: Recorded, limits: ServingLimits | None = None
) -> AsyncIterator[Running]:
    """Run a server with bounds of its own; without, no call waits too long for it, however busy the machine is."""
    write_tls(folder, authority.server(), authority.certificate)
    it = Running(folder, authority, recorded, limits or ServingLimits(queue_ms=10_000))
    it.port = await it.server.start("127.0.0.1:0")
    try:
        yield it
    finally:
        await it.server.drain(0)


@pytest.fixture
async def running(tmp_path: Path, authority: Authority, recorded: Recorded) -> AsyncIterator[Running]:
    async with serving(tmp_path, authority, recorded) as it:
        yield it


@pytest.fixture(params=methods(), ids=lambda method: method.full_name)
def method(request: pytest.FixtureRequest) -> Any:
    return request.param
