"""A child process as its supervisor sees it: started with two pipes, one to live by and one to report by."""

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from typing import Self

from vault.child import READY_FD

_LARGEST_REPORT_BYTES = 64 * 1024


class Process:
    """One child. Its standard output and error are the supervisor's own."""

    def __init__(self, process: asyncio.subprocess.Process, reports: int) -> None:
        self._process = process
        self._reports = reports
        self.message = ""

    @classmethod
    async def start(cls, command: Sequence[str]) -> Self:
        """Start a child.

        Args:
            command: The program and its arguments.
        """
        reports, report = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, pass_fds=(report,), env={**os.environ, READY_FD: str(report)}
            )
        finally:
            os.close(report)
        return cls(process, reports)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for the signal that ended it; None while it runs."""
        return self._process.returncode

    async def ready(self) -> bool:
        """Wait for the child's report, and tell whether it is ready; False if it ends without one."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=_LARGEST_REPORT_BYTES)
        with os.fdopen(self._reports, "rb", buffering=0) as pipe:
            transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
            try:
                line = await reader.readline()
            except ValueError:
                return False  # longer than any report
            finally:
                transport.close()
        try:
            report = json.loads(line)
            self.message = str(report.get("message", ""))
            return report["ready"] is True
        except (ValueError, AttributeError, KeyError):
            return False

    async def wait(self) -> None:
        """Wait for the child's end."""
        await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the child still runs."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def stop(self, seconds: float) -> None:
        """End the child: SIGTERM, and SIGKILL after some seconds."""
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self._process.wait()
