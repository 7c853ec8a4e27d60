"""The demo's processes: the vault, and one for each step of a party."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from vault.cli.demo.place import Place
from vault.errors import FailedPrecondition, Unavailable

START_SECONDS = 180.0
STOP_SECONDS = 180.0
POLL_SECONDS = 0.05
GRACE_SECONDS = 2.0
LOG_LINES = 15


class Outcome(NamedTuple):
    """What a step came to, and how long its work took, without the start of its process."""

    result: dict[str, Any]
    problems: list[str]
    seconds: float


def cardvault(*arguments: str) -> list[str]:
    """Answer the command that runs the command line in a process of its own."""
    return [sys.executable, "-m", "vault", *arguments]


def migrate(place: Place) -> None:
    """Make the vault's database.

    Raises:
        FailedPrecondition: It could not be made.
    """
    command = cardvault("migrate", "--config", str(place.configuration))
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        message = f"the database could not be made: {done.stderr.strip()}"
        raise FailedPrecondition(message)


class VaultProcess:
    """A vault that runs as a process; its log goes to a file among its data."""

    def __init__(self, place: Place) -> None:
        """Start it, and wait until it serves.

        Raises:
            FailedPrecondition: It ended before it served; the end of its log is in the message.
            Unavailable: It did not serve in time.
        """
        self._place = place
        place.ready_file.unlink(missing_ok=True)
        command = cardvault("serve", "--config", str(place.configuration), "--ready-file", str(place.ready_file))
        with place.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            self.address = self._await_address()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def stop(self) -> int:
        """Stop it by SIGTERM and answer its exit status, negative for the signal that ended it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._process.wait()

    def _await_address(self) -> str:
        deadline = time.monotonic() + START_SECONDS
        while not self._place.ready_file.exists():
            if self._process.poll() is not None:
                message = f"the vault ended with status {self._process.returncode}: {last_lines(self._place.log)}"
                raise FailedPrecondition(message)
            if time.monotonic() > deadline:
                message = f"the vault does not serve after {START_SECONDS:.0f} s: {last_lines(self._place.log)}"
                raise Unavailable(message)
            time.sleep(POLL_SECONDS)
        return self._place.ready_file.read_text(encoding="ascii").strip()


class Party:
    """A party's process, which takes steps in turn. What it writes to standard error goes to the demo's own."""

    def __init__(self, place: Place, cards: int, names: Sequence[str]) -> None:
        """Start it.

        Args:
            place: The demo's folder.
            cards: Cards of the demo.
            names: The steps.
        """
        command = cardvault("demo-step", *names, "--folder", str(place.folder), "--cards", str(cards))
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)  # noqa: S603

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def outcome(self, report: Callable[[int, int], None] = lambda _done, _total: None) -> Outcome:
        """Wait for the end of its next step.

        Args:
            report: Told how far it is.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "result" in said:
                return Outcome(said["result"], list(said["problems"]), float(said["result"]["seconds"]))
            report(said["done"], said["total"])
        return Outcome({}, [f"its process ended with status {self._process.wait()}"], 0.0)

    def end(self) -> None:
        """Wait for its end; one that has steps left is told to end at once."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def run_step(place: Place, cards: int, name: str, report: Callable[[int, int], None]) -> Outcome:
    """Run one step of a party in a process of its own."""
    with Party(place, cards, [name]) as party:
        return party.outcome(report)


def last_lines(path: Path, lines: int = LOG_LINES) -> str:
    """Answer the last lines of a log."""
    content: Sequence[str] = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ()
    return "\n".join(content[-lines:]) or "its log is empty"
