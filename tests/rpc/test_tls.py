import asyncio
import datetime as dt
import os
import socket
import ssl
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.rpc.authority import NOW, Authority, Pair
from tests.rpc.conftest import ROOT, Running, tls_files, write_tls
from vault.errors import FailedPrecondition
from vault.rpc.tls import TlsFiles
from vault.v1 import validation_service_pb2 as pb
from vault.v1.validation_service_pb2_grpc import ValidationServiceStub

REFUSED = (ssl.SSLError, ConnectionError)
ASK = pb.ListPublicKeysRequest()


def handshake(running: Running, client: Pair | None, version: ssl.TLSVersion) -> str:
    """Shake hands as OpenSSL does, and return the common name of the server's certificate."""
    context = ssl.create_default_context(cadata=running.authority.certificate.decode())
    context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    if client:
        path = running.folder / "client.pem"
        path.write_bytes(client.certificate + client.private_key)
        context.load_cert_chain(path)
    with (
        socket.create_connection(("127.0.0.1", running.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        # In TLS 1.3 the server looks at the client's certificate last: its first HTTP/2 frame shows that it was taken.
        if not secured.recv(1):
            raise ConnectionError
        certificate = secured.getpeercert(binary_form=True)
        assert certificate
        name = x509.load_der_x509_certificate(certificate).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return str(name[0].value)


async def test_tls_13_is_spoken_and_12_is_refused(running: Running, authority: Authority) -> None:
    client = authority.client(ROOT)
    assert await asyncio.to_thread(handshake, running, client, ssl.TLSVersion.TLSv1_3) == "server"
    with pytest.raises(REFUSED):
        await asyncio.to_thread(handshake, running, client, ssl.TLSVersion.TLSv1_2)


async def test_a_client_without_a_certificate_gets_no_connection(running: Running) -> None:
    async with running.channel(None) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await ValidationServiceStub(channel).ListPublicKeys(ASK)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(REFUSED):
        await asyncio.to_thread(handshake, running, None, ssl.TLSVersion.TLSv1_3)


async def test_a_client_of_another_authority_gets_no_connection(running: Running) -> None:
    foreign = Authority("test authority").client(ROOT)
    with pytest.raises(REFUSED):
        await asyncio.to_thread(handshake, running, foreign, ssl.TLSVersion.TLSv1_3)
    async with running.channel(foreign) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            await ValidationServiceStub(channel).ListPublicKeys(ASK)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


async def test_an_expired_client_certificate_gets_no_connection(running: Running, authority: Authority) -> None:
    expired = authority.issue("client", [x509.UniformResourceIdentifier(ROOT)], from_days=-2, to_days=-1)
    with pytest.raises(REFUSED):
        await asyncio.to_thread(handshake, running, expired, ssl.TLSVersion.TLSv1_3)


async def test_a_new_certificate_is_taken_up_and_open_connections_stay(running: Running, authority: Authority) -> None:
    client = authority.client(ROOT)
    async with running.channel() as channel:
        stub = ValidationServiceStub(channel)
        await stub.ListPublicKeys(ASK)
        write_tls(running.folder, authority.server(name="renewed"), authority.certificate)
        assert await asyncio.to_thread(handshake, running, client, ssl.TLSVersion.TLSv1_3) == "renewed"
        await stub.ListPublicKeys(ASK)
    async with running.channel() as channel:
        await ValidationServiceStub(channel).ListPublicKeys(ASK)


async def test_a_new_client_authority_is_taken_up(running: Running, authority: Authority) -> None:
    other = Authority("another")
    (running.folder / "client-ca.crt").write_bytes(other.certificate)
    theirs, ours = other.client(ROOT), authority.client(ROOT)
    assert await asyncio.to_thread(handshake, running, theirs, ssl.TLSVersion.TLSv1_3) == "server"
    with pytest.raises(REFUSED):
        await asyncio.to_thread(handshake, running, ours, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "client-ca.crt"])
async def test_a_broken_new_file_keeps_the_old_and_is_logged_once(
    running: Running, authority: Authority, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = authority.client(ROOT)
    (running.folder / broken).write_bytes(b"not PEM")
    for _ in range(3):
        assert await asyncio.to_thread(handshake, running, client, ssl.TLSVersion.TLSv1_3) == "server"
    assert [record.msg for record in caplog.records] == ["certificate_refused"]
    write_tls(running.folder, authority.server(name="repaired"), authority.certificate)
    assert await asyncio.to_thread(handshake, running, client, ssl.TLSVersion.TLSv1_3) == "repaired"


def test_a_readable_private_key_is_refused(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    (tmp_path / "server.key").chmod(0o644)
    with pytest.raises(FailedPrecondition, match="can be read or written by others"):
        tls_files(tmp_path)


def test_an_rsa_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    key = rsa.generate_private_key(65537, 2048)
    write_tls(tmp_path, authority.server(key=key), authority.certificate)
    with pytest.raises(FailedPrecondition, match="ECDSA"):
        tls_files(tmp_path)


def test_an_expired_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(from_days=-2, to_days=-1), authority.certificate)
    with pytest.raises(FailedPrecondition, match="has expired"):
        tls_files(tmp_path)


def test_a_certificate_of_tomorrow_is_refused(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(from_days=0.5), authority.certificate)
    with pytest.raises(FailedPrecondition, match="not valid before"):
        tls_files(tmp_path)


def test_a_key_that_is_not_the_certificates_is_refused(tmp_path: Path, authority: Authority) -> None:
    pair = authority.server()._replace(private_key=authority.server().private_key)
    write_tls(tmp_path, pair, authority.certificate)
    with pytest.raises(FailedPrecondition, match="does not belong"):
        tls_files(tmp_path)


def test_expired_client_authorities_are_refused(tmp_path: Path, authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    expired = authority.issue("old", [], key=key, from_days=-2, to_days=-1)
    write_tls(tmp_path, authority.server(), expired.certificate)
    with pytest.raises(FailedPrecondition, match="client authorities has expired"):
        tls_files(tmp_path)


def test_a_missing_certificate_is_named(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    (tmp_path / "server.crt").unlink()
    with pytest.raises(FailedPrecondition, match=r"server\.crt cannot be read: No such file"):
        tls_files(tmp_path)


def test_the_time_is_the_given_clocks(tmp_path: Path, authority: Authority) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    paths = [tmp_path / name for name in ("server.crt", "server.key", "client-ca.crt")]
    with pytest.raises(FailedPrecondition, match="has expired"):
        TlsFiles(*paths, clock=lambda: NOW + dt.timedelta(days=400))


def test_credentials_need_the_prepared_environment(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tls(tmp_path, authority.server(), authority.certificate)
    files = tls_files(tmp_path)
    monkeypatch.delenv("GRPC_SSL_CIPHER_SUITES")
    with pytest.raises(RuntimeError, match="prepare_environment"):
        files.credentials()
    assert "GRPC_SSL_CIPHER_SUITES" not in os.environ
