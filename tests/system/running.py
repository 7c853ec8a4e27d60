"""A vault of real processes in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from vault.cli.development import set_address, set_up
from vault.client.channel import VaultClient, connect

START_SECONDS = 30.0


class Running:
    """A vault's folder, and its supervisor's process while it runs."""

    def __init__(self, folder: Path, *, programs: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.configuration = set_up(folder, address="127.0.0.1:0", programs=programs)
        migrate = [sys.executable, "-m", "vault", "migrate", "--config", str(self.configuration)]
        subprocess.run(migrate, check=True, capture_output=True)
        self.log = folder / "data" / "vault.log"
        self.address = ""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the vault and wait until it serves; the address stays the same over restarts."""
        ready = self.folder / "ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "vault", "serve", "--config", str(self.configuration)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, "--ready-file", str(ready)], stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                message = f"the vault did not start: {self.log.read_text()}"
                raise RuntimeError(message)
            time.sleep(0.02)
        self.address = ready.read_text().strip()
        set_address(self.configuration, self.address)

    def stop(self) -> int:
        """Have the vault drain, and return its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.process = None
        return status

    def kill(self) -> None:
        """Kill the supervisor and every process of it at once, as a power cut would."""
        assert self.process is not None
        victims = [self.process.pid, *self.children()]
        for victim in victims:
            os.kill(victim, signal.SIGKILL)
        self.process.wait()
        self.process = None
        deadline = time.monotonic() + START_SECONDS
        while any(_alive(victim) for victim in victims) and time.monotonic() < deadline:
            time.sleep(0.005)

    def children(self, kind: str = "") -> list[int]:
        """Return the process ids of the vault's children, or of those of a kind (``worker`` or ``jobs``)."""
        assert self.process is not None
        pid = self.process.pid
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in found if kind.encode() in _command(int(child))]

    def client(self, caller: str, timeout_seconds: float = 20.0) -> VaultClient:
        """Return a client with a caller's certificate."""
        certificates = self.folder / "certificates"
        return connect(
            self.address,
            ca=certificates / "ca.pem",
            certificate=certificates / f"{caller}.pem",
            private_key=certificates / f"{caller}.key",
            timeout_seconds=timeout_seconds,
        )


@contextmanager
def running(folder: Path, *, programs: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run a vault in a folder."""
    vault = Running(folder, programs=programs)
    vault.start()
    try:
        yield vault
    finally:
        if vault.process is not None:
            vault.kill()


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _alive(pid: int) -> bool:
    return bool(_command(pid))
