"""A child process as its supervisor sees it: started with two pipes, one to live by and one to report by.

1. Whatever a child reports is judged, never trusted: a line that is too long or not JSON is taken for a piece of a
   stack, of which the last 100 lines are kept.
2. Ending it takes at most the time that is given and 5 s; then it is left to the kernel.
"""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Self

from vault.child import READY_FD
from vault.pulse import Pulse
from vault.sdnotify import VARIABLES

_LARGEST_REPORT_BYTES = 64 * 1024
_LAST_WORDS_SECONDS = 1.0
_ABORT_SECONDS = 2.0
_KILL_SECONDS = 5.0


class Process:
    """One child. Its standard output and error are the supervisor's own."""

    def __init__(self, process: asyncio.subprocess.Process, reports: int, pulse: Pulse) -> None:
        self._process = process
        self._pulse = pulse
        self._rereading: asyncio.Future[Mapping[str, str]] | None = None
        self.ready = asyncio.Event()
        self._ready_at = 0.0
        self.message = ""
        self.grown_mib = 0
        """How much memory it keeps in vain by its own word, in MiB."""
        self.stack: deque[str] = deque(maxlen=100)
        self._listening = asyncio.create_task(self._listen(reports))

    @classmethod
    async def start(cls, command: Sequence[str], *, start_seconds: float, hang_seconds: float) -> Self:
        """Start a child.

        Args:
            command: The program and its arguments.
            start_seconds: How long it may take to come up.
            hang_seconds: How long it may be silent once it has.
        """
        reports, report = os.pipe()
        environ = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        pulse = Pulse(_now(), start_seconds=start_seconds, hang_seconds=hang_seconds)
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, pass_fds=(report,), env={**environ, READY_FD: str(report)}
            )
        except BaseException:
            os.close(reports)
            raise
        finally:
            os.close(report)
        return cls(process, reports, pulse)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for the signal that ended it; None while it runs."""
        return self._process.returncode

    def served_seconds(self) -> float:
        """Return how long ago it came up; 0 if it has not."""
        return _now() - self._ready_at if self.ready.is_set() else 0.0

    def problem(self) -> str:
        """Return why the child is taken to hang; empty if it is not. To be asked at least once a second."""
        return self._pulse.problem(_now())

    async def ended(self) -> None:
        """Wait for the child's end and its last words."""
        await self._process.wait()
        # A grandchild could keep the pipe open.
        await asyncio.wait({self._listening}, timeout=_LAST_WORDS_SECONDS)
        self._listening.cancel()

    async def reread(self, seconds: float) -> Mapping[str, str] | None:
        """Have the child read its files again; return what came of each, None if it did not say so in time."""
        self._rereading = asyncio.get_running_loop().create_future()
        self.send(signal.SIGHUP)
        try:
            return await asyncio.wait_for(self._rereading, seconds)
        except TimeoutError:
            return None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the child still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, seconds: float) -> None:
        """End the child: SIGTERM, and SIGKILL after some seconds."""
        await self._end(signal.SIGTERM, seconds)

    async def abort(self) -> None:
        """End a child that hangs: SIGABRT, so that it shows its stacks, and SIGKILL after 2 s."""
        await self._end(signal.SIGABRT, _ABORT_SECONDS)

    async def _end(self, first: signal.Signals, seconds: float) -> None:
        for number, patience in ((first, seconds), (signal.SIGKILL, _KILL_SECONDS)):
            self.send(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), patience)
                return

    async def _listen(self, reports: int) -> None:
        reader = asyncio.StreamReader(limit=_LARGEST_REPORT_BYTES)
        with os.fdopen(reports, "rb", buffering=0) as pipe:
            transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), pipe
            )
            try:
                while line := await _line(reader):
                    self._heard(line)
            finally:
                transport.close()

    def _heard(self, line: bytes) -> None:
        try:
            report = json.loads(line)
            kind = next(iter(report)) if isinstance(report, dict) else ""
        except (ValueError, RecursionError, StopIteration):
            self.stack.append(line.decode(errors="replace").rstrip())
            return
        if kind == "ready":
            self.message = str(report.get("message", ""))
            if report["ready"] is True:
                self._ready_at = _now()
                self._pulse.serves(self._ready_at)
                self.ready.set()
        elif kind == "alive":
            self._pulse.beat(_now(), str(report.get("stuck", "")))
        elif kind == "grown" and isinstance(report["grown"], int):
            self.grown_mib = report["grown"]
        elif kind == "reread" and self._rereading and not self._rereading.done():
            files = report["reread"]
            told = {str(name): str(state) for name, state in files.items()} if isinstance(files, dict) else {}
            self._rereading.set_result(told)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return the next line; empty at the end."""
    while True:
        try:
            return await reader.readline()
        except ValueError:
            continue  # longer than any report; what is left of it is read as the next line
