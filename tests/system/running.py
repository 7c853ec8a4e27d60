"""Vaults of real processes, each in a folder of its own, over a database of its own or a shared one."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from vault.cli.development import set_address, set_up
from vault.client.channel import VaultClient, connect

START_SECONDS = STOP_SECONDS = 240.0
TIMEOUT_SECONDS = 120.0


class Running:
    """A vault's folder, and its supervisor's process while it runs."""

    def __init__(
        self,
        folder: Path,
        *,
        programs: Mapping[str, str] | None = None,
        dsn: str = "",
        workers: int = 2,
        migrate: bool = True,
    ) -> None:
        """Make the folder; the database is the one of ``dsn``, or a file in the folder where that is empty."""
        self.folder = folder
        self.configuration = folder / "vault.toml"
        if not self.configuration.exists():
            set_up(folder, address="127.0.0.1:0", programs=programs)
        self._configure(r"workers = \d+", f"workers = {workers}")
        # On a busy machine no process is replaced but by a test that has it hang, or grow.
        self._configure(r"hang_seconds = \d+", "hang_seconds = 120")
        self._configure(r"worker_mib = \d+", "worker_mib = 0")
        if dsn:
            self._configure('kind = "sqlite"', 'kind = "postgres"')
            self._configure('dsn = ".*"', f'dsn = "{dsn}"')
        if migrate:
            command = [sys.executable, "-m", "vault", "migrate", "--config", str(self.configuration)]
            subprocess.run(command, check=True, capture_output=True)
        self.log = folder / "data" / "vault.log"
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._holds_port = False

    @classmethod
    def beside(cls, other: Self, folder: Path, *, dsn: str, workers: int = 2) -> Self:
        """Make a vault over another's database: same root key, authority and access file, its own port."""
        shutil.copytree(other.folder, folder, ignore=shutil.ignore_patterns("ready", "data"))
        (folder / "data").mkdir(mode=0o700)
        set_address(folder / "vault.toml", "127.0.0.1:0")
        text = (folder / "vault.toml").read_text(encoding="utf-8").replace('kind = "postgres"', 'kind = "sqlite"')
        (folder / "vault.toml").write_text(text, encoding="utf-8")
        return cls(folder, dsn=dsn, workers=workers, migrate=False)

    def _configure(self, pattern: str, line: str) -> None:
        text = self.configuration.read_text(encoding="utf-8")
        changed, count = re.subn(f"^{pattern}$", lambda _: line, text, flags=re.MULTILINE)
        assert count == 1, pattern
        self.configuration.write_text(changed, encoding="utf-8")

    def start(self) -> None:
        """Start the vault and wait until it serves; the address stays the same over restarts."""
        self.begin()
        self.wait_ready()

    def begin(self) -> None:
        """Start the vault."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "vault", "serve", "--config", str(self.configuration)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, "--ready-file", str(ready)], stderr=log)

    @property
    def ready(self) -> bool:
        """Whether every process of the vault has come up."""
        return (self.folder / "ready").exists()

    def wait_ready(self) -> None:
        """Wait until every process of the vault serves."""
        deadline = time.monotonic() + START_SECONDS
        while not self.ready:
            if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                message = f"the vault did not start: {self.log.read_text()}"
                raise RuntimeError(message)
            time.sleep(0.02)
        self.address = (self.folder / "ready").read_text().strip()
        set_address(self.configuration, self.address)
        if not self._holds_port:
            self._hold_port()

    def _hold_port(self) -> None:
        """Keep the port from everybody else while the vault is down: bound, never listening, and shared with it."""
        host, _, port = self.address.rpartition(":")
        held = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        held.bind((host, int(port)))
        weakref.finalize(self, held.close)
        self._holds_port = True

    def stop(self) -> int:
        """Have the vault drain, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_SECONDS)
        self.process = None
        return status

    def kill(self) -> None:
        """Kill the supervisor and every process of it at once, as a power cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # so that it starts no other process meanwhile
        deadline = time.monotonic() + START_SECONDS
        while _state(self.process.pid) not in ("T", "Z", "") and time.monotonic() < deadline:
            time.sleep(0.002)
        victims = [self.process.pid, *self.children()]
        for victim in victims:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(victim, signal.SIGKILL)
        self.process.wait()
        self.process = None
        while any(_alive(victim) for victim in victims) and time.monotonic() < deadline:
            time.sleep(0.005)

    def children(self, kind: str = "") -> list[int]:
        """Return the process ids of the vault's children, or of those of a kind (``worker`` or ``jobs``)."""
        assert self.process is not None
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found if kind.encode() in _command(int(child))]

    def states(self) -> str:
        """Return what the listener for health says each process does; empty where it does not answer."""
        lines = self.log.read_text().splitlines()
        said = [json.loads(line) for line in lines if '"listener_open"' in line and line.endswith("}")]
        try:
            with urllib.request.urlopen(f"http://{said[-1]['address']}/live", timeout=TIMEOUT_SECONDS) as answer:
                told = answer.read()
        except urllib.error.HTTPError as not_live:
            with not_live:
                told = not_live.read()
        except (OSError, IndexError):
            return ""
        return str(json.loads(told)["processes"])

    @property
    def certificates(self) -> Path:
        """The folder of the vault's certificates and its callers'."""
        return self.folder / "certificates"

    def client(self, caller: str, timeout_seconds: float = TIMEOUT_SECONDS, address: str = "") -> VaultClient:
        """Return a client with a caller's certificate, for this vault or for those of another address."""
        return client_of(self.certificates, caller, address or self.address, timeout_seconds)


def client_of(certificates: Path, caller: str, address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> VaultClient:
    """Return a client with a caller's certificate."""
    return connect(
        address,
        ca=certificates / "ca.pem",
        certificate=certificates / f"{caller}.pem",
        private_key=certificates / f"{caller}.key",
        timeout_seconds=timeout_seconds,
    )


@contextmanager
def running(
    folder: Path, *, programs: Mapping[str, str] | None = None, dsn: str = "", workers: int = 2
) -> Iterator[Running]:
    """Run a vault in a folder."""
    vault = Running(folder, programs=programs, dsn=dsn, workers=workers)
    try:
        vault.start()
        yield vault
    finally:
        if vault.process is not None:
            vault.kill()


@contextmanager
def several(folder: Path, count: int, *, dsn: str, workers: int = 1) -> Iterator[list[Running]]:
    """Run several vaults over one PostgreSQL database."""
    first = Running(folder / "vault-1", dsn=dsn, workers=workers)
    vaults = [first]
    try:
        for number in range(2, count + 1):
            vaults += [Running.beside(first, folder / f"vault-{number}", dsn=dsn, workers=workers)]
        for vault in vaults:
            vault.begin()
        for vault in vaults:
            vault.wait_ready()
        yield vaults
    finally:
        for vault in vaults:
            if vault.process is not None:
                vault.kill()


def addresses(vaults: Sequence[Running]) -> str:
    """Return what a client of all these vaults connects to."""
    return ",".join(vault.address for vault in vaults)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _alive(pid: int) -> bool:
    return bool(_command(pid))


def _state(pid: int) -> str:
    """Return a process's state as the kernel tells it, ``T`` for one that is stopped; empty for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
