"""A PostgreSQL that asks for TLS and a password over the network, and a PgBouncer before one."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psycopg
import pytest

from tests.postgres import _AS_POSTGRES, Cluster, named
from tests.rpc.authority import Authority, Pair

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
NO_PGBOUNCER = "PgBouncer is missing: apt-get install pgbouncer"
_HBA = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
_SECONDS = 180.0


class Secured(Cluster):
    """A cluster that takes connections over TLS with a password, and by its socket from the tests alone."""

    def __init__(self, pair: Pair, port: int) -> None:
        self.port = port
        super().__init__(
            listen_addresses="127.0.0.1",
            port=str(self.port),
            ssl="on",
            ssl_cert_file="server.crt",
            ssl_key_file="server.key",
            password_encryption="scram-sha-256",
        )
        for name, text in (
            ("server.crt", pair.certificate),
            ("server.key", pair.private_key),
            ("pg_hba.conf", _HBA.encode()),
        ):
            path = self.data / name
            path.touch(mode=0o600)
            path.write_bytes(text)
            if self._prefix:
                shutil.chown(path, "postgres", "postgres")

    @classmethod
    @contextmanager
    def running(cls, authority: Authority) -> Iterator[Self]:
        """Run one with a certificate of an authority."""
        with socket.socket() as held:
            # Bound and never listening, it keeps the port from all but a server that sets SO_REUSEADDR, as this one.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", 0))
            cluster = cls(authority.server(), int(held.getsockname()[1]))
            try:
                cluster.start()
                yield cluster
            finally:
                cluster.stop()

    def dsn(self, database: str = "postgres") -> str:
        """Return a database's key words by the socket."""
        return f"{super().dsn(database)} port={self.port}"

    def network(self, database: str, root: Path, host: str = "localhost") -> str:
        """Return a database's key words over the network, under a host's name."""
        return (
            f"host={host} hostaddr=127.0.0.1 port={self.port} {named(database)} sslmode=verify-full sslrootcert={root}"
        )

    def set_password(self, password: str) -> None:
        """Give the role a password."""
        self.execute(f"ALTER ROLE cardvault PASSWORD '{password}'")


@contextmanager
def pooler(cluster: Cluster, connections: int) -> Iterator[str]:
    """Run a PgBouncer in transaction mode over so many connections to a cluster; give what ``host=`` it has."""
    if PGBOUNCER is None:
        pytest.skip(NO_PGBOUNCER)
    folder = Path(tempfile.mkdtemp(prefix="pgb"))
    (folder / "users").write_text('"cardvault" ""\n')
    (folder / "pgbouncer.ini").write_text(f"""\
[databases]
* = host={cluster.folder}
[pgbouncer]
unix_socket_dir = {folder}
listen_port = 5432
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = {connections}
""")
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, "postgres", "postgres")
    prefix = _AS_POSTGRES if os.geteuid() == 0 else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*prefix, PGBOUNCER, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                psycopg.connect(f"host={folder} dbname=postgres user=cardvault", prepare_threshold=None).close()
            except psycopg.OperationalError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.02)
            else:
                break
        yield str(folder)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
