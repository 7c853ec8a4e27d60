"""A PostgreSQL cluster of the bench's own: made, started, and gone at the end.

1. Its settings are PostgreSQL's own but for those below, which the README asks for: commits wait for the disk (fsync,
   synchronous_commit), and pages are logged whole after a checkpoint, as in production.
2. It listens on a Unix socket alone, in a folder that only its user can enter.
3. It ends with the bench, however that ends.

PostgreSQL refuses to run as root, so root runs it as Debian's user ``postgres``.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench.processes import children

USER = "cardvault"
SETTINGS = {
    "listen_addresses": "",
    "log_min_messages": "warning",
    "log_line_prefix": "",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
}
START_SECONDS = 120.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_AS_POSTGRES = ["--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env"]


class Cluster:
    """A cluster that runs."""

    def __init__(self, folder: Path, pid: int) -> None:
        """Use the cluster whose socket is in this folder, and whose first process has this id."""
        self._folder = folder
        self._pid = pid

    def pids(self) -> list[int]:
        """Return the ids of its processes."""
        return [self._pid, *children(self._pid)]

    def dsn(self, database: str = "postgres") -> str:
        """Return a database's key words; a server that is held up is waited for longer than in production."""
        return f"host={self._folder} dbname={database} user={USER} connect_timeout={START_SECONDS:.0f}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement over a connection of its own, and return its rows."""
        with psycopg.connect(self.dsn(database), autocommit=True, application_name="bench") as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Make a cluster, run it, and remove it.

    Raises:
        RuntimeError: PostgreSQL is missing, or did not start.
    """
    if not _BIN:
        message = "PostgreSQL is missing; on Debian: apt-get install postgresql"
        raise RuntimeError(message)
    folder = Path(tempfile.mkdtemp(prefix="cardvault-bench-pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        data, log = folder / "data", folder / "log"
        _initdb(data)
        with log.open("ab") as file:
            command = _command("postgres", "-D", str(data), "-k", str(folder))
            command += [f"-c{name}={value}" for name, value in SETTINGS.items()]
            process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True
            )
        try:
            cluster = Cluster(folder, process.pid)
            _await(cluster, process, log)
            yield cluster
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder)


def _command(program: str, *arguments: str) -> list[str]:
    identity = _AS_POSTGRES if os.geteuid() == 0 else []
    return ["setpriv", *identity, "--pdeathsig=QUIT", str(_BIN[-1] / program), *arguments]


def _initdb(data: Path) -> None:
    choices = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "-k"]
    command = _command("initdb", "-D", str(data), *choices)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603


def _await(cluster: Cluster, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            cluster.execute("SELECT 1")
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                message = f"PostgreSQL did not start: {log.read_text(encoding='utf-8', errors='replace').strip()}"
                raise RuntimeError(message) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGQUIT)  # at once: nothing in it is kept
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
