"""PostgreSQL for tests: a private cluster, made once for each process that tests, gone when it ends.

It listens on a Unix socket in a folder of its own. PostgreSQL refuses to run as root, so root runs it as
Debian's user ``postgres``. Where the programs are missing, tests that need them are skipped, and say so.
"""

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from vault.model.shape import SHAPES
from vault.stores.postgres import Address, migrate

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
MISSING = "PostgreSQL's programs are missing: apt-get install postgresql"
_AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env"]
_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "on", "wal_level": "minimal"}
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "60",
    "max_wal_senders": "0",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
    "log_line_prefix": "",
}

PATIENT = "connect_timeout=120"
"""What is added to a server's key words: a server that is held up is waited for longer than in production."""
_TABLES = sorted({*SHAPES, "process"})
_EMPTY = f"""SET lock_timeout = '2s'; {"".join(f"DELETE FROM {table};" for table in _TABLES)}
    UPDATE catalogue SET number = 0"""


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, the newest release's; skip the test if there is none."""
    if not _PROGRAMS:
        pytest.skip(MISSING)
    return _PROGRAMS[-1]


IN_USE = "pre-existing shared memory block"


def named(database: str) -> str:
    """Return the key words of a database that do not say where its server is."""
    return f"dbname={database} user=cardvault {PATIENT}"


class Cluster:
    """A cluster in a folder of its own; its server is this process's child, so one killed can be started again.

    ``durable`` clusters wait for the disk, as those of production do.
    """

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        self.bin = programs()
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self._prefix = _AS_POSTGRES if os.geteuid() == 0 else []
        if self._prefix:
            shutil.chown(self.folder, "postgres", "postgres")
        self._settings = {**_SETTINGS, **({} if durable else _FAST), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._count = itertools.count()
        self._free: list[str] = []
        initdb = ["-D", str(self.data), "-U", "cardvault", "-A", "trust", "-E", "UTF8", "--locale=C", "-k"]
        self._run("initdb", *initdb, "--no-sync")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run([*self._prefix, self.bin / program, *arguments], check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [*self._prefix, str(self.bin / "postgres"), "-D", str(self.data), "-k", str(self.folder), *settings]
        self._process = self._begin(command)
        end = time.monotonic() + 240
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    # Backends of a server that was killed hold its memory until the kernel has ended each of them.
                    assert IN_USE in self.log.read_text(), self.log.read_text()
                    self._process = self._begin(command)
                assert time.monotonic() < end, self.log.read_text()
                time.sleep(0.02)
            else:
                return

    def _begin(self, command: list[str]) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """Kill the server as a power cut would: every process of it at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            # Children leave the group of the postmaster, and end by themselves once it is gone.
            deadline = time.monotonic() + 120
            while self._children() and time.monotonic() < deadline:
                time.sleep(0.01)

    def stop(self) -> None:
        """Stop the server at once and remove its files."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def dsn(self, database: str = "postgres") -> str:
        """Return a database's key words."""
        return f"host={self.folder} {named(database)}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement by a connection of its own, and return its rows."""
        with psycopg.connect(self.dsn(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, template: str = "template1") -> str:
        """Create a database like another and return its name."""
        name = f"t{next(self._count)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Drop a database, whoever is connected."""
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def borrow(self, template: str) -> str:
        """Return a database like the migrated one, that nobody else uses."""
        return self._free.pop() if self._free else self.create(template)

    def give_back(self, database: str) -> None:
        """Empty a borrowed database for the next test, or drop it if it is still in use."""
        others = f"SELECT pid FROM pg_stat_activity WHERE datname = '{database}'"
        self.execute(f"SELECT pg_terminate_backend(pid, 60000) FROM ({others}) AS other")
        try:
            self.execute(_EMPTY, database)
        except psycopg.OperationalError:
            self.drop(database)
        else:
            self._free.append(database)

    def _children(self) -> list[str]:
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.data).encode() in entry.read_bytes():
                    found.append(entry.parent.name)
            except OSError:  # it has ended meanwhile
                continue
        return found


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start the session's cluster."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def template(cluster: Cluster) -> str:
    """Make a migrated database to copy."""
    name = cluster.create()
    migrate(Address(cluster.dsn(name)))
    return name


@pytest.fixture
def address(cluster: Cluster, template: str) -> Iterator[Address]:
    """Lend a migrated, empty database to one test."""
    name = cluster.borrow(template)
    yield Address(cluster.dsn(name))
    cluster.give_back(name)
