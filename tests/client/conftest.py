"""A gRPC server over TLS that answers as a test tells it to, and a client connected to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from vault.cli.certificates import create_all
from vault.client import VaultClient, connect


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    create_all(folder, {"shop": "spiffe://cardvault.dev/shop"})
    return folder


class Peer:
    """The server: services are added, then it is started."""

    def __init__(self, certificates: Path, port: int = 0) -> None:
        self.certificates = certificates
        self.server = grpc.aio.server()
        read = {name: (certificates / name).read_bytes() for name in ("server.key", "server.pem", "ca.pem")}
        credentials = grpc.ssl_server_credentials(
            [(read["server.key"], read["server.pem"])], read["ca.pem"], require_client_auth=True
        )
        self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)

    async def client(self, *, timeout_seconds: float = 120.0, host: str = "localhost") -> VaultClient:
        await self.server.start()
        return connect(
            f"{host}:{self.port}",
            ca=self.certificates / "ca.pem",
            certificate=self.certificates / "shop.pem",
            private_key=self.certificates / "shop.key",
            timeout_seconds=timeout_seconds,
        )


@pytest.fixture
async def peer(certificates: Path) -> AsyncIterator[Peer]:
    peer = Peer(certificates)
    yield peer
    await peer.server.stop(None)
