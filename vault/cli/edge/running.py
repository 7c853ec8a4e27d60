"""The sample's processes: vault, ledger and shop, started in turn and ended in reverse."""

import json
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from vault.cli.demo.place import Place
from vault.cli.demo.processes import VaultProcess, cardvault, last_lines, migrate
from vault.cli.development import set_up
from vault.cli.edge.callers import LEDGER, SHOP, add_callers, write_callers_profiles
from vault.errors import FailedPrecondition

STOP_SECONDS = 15.0


class Part:
    """The shop's or the ledger's process. It ends with whoever started it; its log goes to a file."""

    def __init__(self, name: str, log: Path, profile: Path, *options: str) -> None:
        """Start it, and wait until it listens.

        Raises:
            FailedPrecondition: It ended before; the end of its log is in the message.
        """
        command = cardvault("edge-part", name, "--profile", str(profile), *options)
        with log.open("ab") as file:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, start_new_session=True
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.stop()
            message = f"the {name} did not start: {last_lines(log)}"
            raise FailedPrecondition(message)
        self.address: str = json.loads(line)["address"]
        self.log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> int:
        """End it and answer its exit status, negative for the signal that it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.stdout.close()
        return self._process.wait()


def _directly(_name: str, address: str) -> str:
    return address


class Sample:
    """A vault, a ledger and a shop in a folder; a context manager that ends them. ``url`` is the shop's."""

    vault: VaultProcess
    ledger: Part
    shop: Part
    url: str

    def __init__(self, folder: Path, *, port: int = 0, through: Callable[[str, str], str] = _directly) -> None:
        """Choose where; entering starts it.

        Args:
            folder: An empty folder, for everything that they write.
            port: Where the shop listens; 0 lets the system choose.
            through: Answers, for ``vault``, ``ledger`` or ``shop`` and the ``host:port`` where it listens, the
                ``host:port`` at which the others reach it, such as that of a proxy in front.
        """
        self.place = Place(folder)
        self._port = port
        self._through = through
        self._started = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._started.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._started.close()

    def check(self) -> None:
        """See that everything still runs.

        Raises:
            FailedPrecondition: Something has ended; the end of its log is in the message.
        """
        running = {"vault": self.vault.running, "ledger": self.ledger.running, "shop": self.shop.running}
        logs = {"vault": self.place.log, "ledger": self.ledger.log, "shop": self.shop.log}
        for name in (name for name, runs in running.items() if not runs):
            message = f"the {name} has ended: {last_lines(logs[name])}"
            raise FailedPrecondition(message)

    def profile(self, name: str) -> Path:
        """Answer the profile of a caller."""
        return self.place.profile(name)

    def start_shop(self, ledger: str, port: int = 0) -> Part:
        """Start a shop, which ends with the sample.

        Args:
            ledger: Where its ledger listens, ``host:port``.
            port: Where it listens; 0 lets the system choose.
        """
        return self._start_part("shop", SHOP, "--ledger", ledger, "--port", str(port))

    def _start_part(self, name: str, caller: str, *options: str) -> Part:
        part = Part(name, self.place.folder / f"{name}.log", self.profile(caller), *options)
        self._started.callback(part.stop)
        return part

    def _start(self) -> None:
        self.place.make()
        set_up(self.place.vault, address="127.0.0.1:0")
        add_callers(self.place.vault)
        migrate(self.place)
        self.vault = VaultProcess(self.place)
        self._started.callback(self.vault.stop)
        write_callers_profiles(self.place.vault, self._through("vault", self.vault.address))
        self.ledger = self._start_part("ledger", LEDGER)
        self.shop = self.start_shop(self._through("ledger", self.ledger.address), self._port)
        self.url = f"http://{self._through('shop', self.shop.address)}"
