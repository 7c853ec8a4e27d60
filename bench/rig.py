"""A vault of the bench's own: a folder, a running vault, and the callers' clients."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from bench import processes
from bench.grounds import Ground
from vault import config
from vault.cli.demo.place import Place
from vault.cli.demo.processes import VaultProcess, migrate
from vault.cli.development import set_up, write_profiles
from vault.client.channel import VaultClient, connect

CALL_SECONDS = 60.0
STOPPING_SECONDS = 0.5


class Rig:
    """A running vault."""

    def __init__(self, place: Place, process: VaultProcess, ground: Ground) -> None:
        self.place = place
        self.process = process
        self.ground = ground
        self.address = process.address
        self.certificates = place.vault / "certificates"
        self.config = config.load(place.configuration)
        self.workers = self.config.server.workers
        self.processes = self.workers + 1  # and the job process

    def client(self, caller: str) -> VaultClient:
        """Return a client of one caller."""
        return connect(
            self.address,
            ca=self.certificates / "ca.pem",
            certificate=self.certificates / f"{caller}.pem",
            private_key=self.certificates / f"{caller}.key",
            timeout_seconds=CALL_SECONDS,
        )

    def peak_mb(self, kind: str) -> float:
        """Return the largest peak of resident memory, in MiB, of the vault's processes of a kind.

        Args:
            kind: ``worker`` or ``jobs``.

        Raises:
            RuntimeError: There is no such process.
        """
        return max(map(processes.peak_mb, self.pids(kind)))

    def pids(self, kind: str) -> list[int]:
        """Return the process ids of the vault's processes of a kind, ``worker`` or ``jobs``.

        Raises:
            RuntimeError: There is none.
        """
        found = [pid for pid in processes.children(self.process.pid) if f"--only\0{kind}\0" in processes.command(pid)]
        if not found:
            message = f"the vault has no process of the kind {kind}"
            raise RuntimeError(message)
        return found


@contextlib.contextmanager
def running_vault(folder: Path, ground: Ground) -> Iterator[Rig]:
    """Make a vault in a new folder, run it, and stop it at the end; folder and database stay."""
    place = Place(folder)
    place.make()
    ground.give(set_up(place.vault, address="127.0.0.1:0"))
    migrate(place)
    process = VaultProcess(place)
    try:
        write_profiles(place.vault, process.address)
        with ground.watching(place.configuration):
            yield Rig(place, process, ground)
    finally:
        process.stop()
        time.sleep(STOPPING_SECONDS)
