"""The supervisor: starts the worker processes and the job process, watches, restarts and drains them.

1. A child that dies is started again, soon if it lived for 5 s, else after a wait that doubles up to
   10 s.
2. A child that says it can never start (exit status 78) stops everything, and its message is the answer.
3. SIGTERM and SIGINT drain: every child gets SIGTERM and ``drain_seconds`` + 5 to finish, then SIGKILL.
4. Children do not outlive the supervisor (see ``child``). SIGHUP is passed on to them.
5. The port is reserved before the first child starts and stays reserved, so that a port chosen by the system
   remains the same over restarts, and a second vault on the same address is refused.
6. Callers wait for no job: the job process is first started once a worker serves, or after 1 s. Processes
   spend most of their start importing, so three at once on two cores would keep the workers back.

It holds no key, opens no record and never imports grpc.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from vault import config, log
from vault.child import EXIT_CONFIGURATION
from vault.errors import VaultError
from vault.hardening import harden
from vault.process import Process

Command = Callable[[str, int], Sequence[str]]

JOBS = "jobs"
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.2, 10.0
_HEALTHY_SECONDS = 5.0
_KILL_SECONDS = 5.0
_JOBS_WAIT_SECONDS = 1.0
_ADDRESS_SECONDS = 5.0
_log = log.get(__name__)


def run(config_path: Path, *, ready_file: Path | None = None, command: Command | None = None) -> int:
    """Run a vault until it is told to stop, and return the exit status: 0 after a drain.

    Args:
        config_path: The configuration file.
        ready_file: Where to write ``host:port`` and a line's end once every process serves; None for nowhere.
        command: Makes a child's command from its kind (``worker`` or ``jobs``) and the port; the vault's own
            command line when None.
    """
    harden()
    log.configure()
    try:
        settings = config.load(config_path)
    except VaultError as error:
        _log.error("cannot_start", problem=error.message)
        return EXIT_CONFIGURATION
    log.configure(settings.log.level)
    return asyncio.run(_Supervisor(settings, ready_file, command or _own_command(settings.path)).run())


def _own_command(config_path: Path) -> Command:
    def command(kind: str, port: int) -> Sequence[str]:
        ours = [sys.executable, "-m", "vault", "serve", "--config", str(config_path), "--only", kind]
        return ours if kind == JOBS else [*ours, "--port", str(port)]

    return command


class _Supervisor:
    """One run of the supervisor."""

    def __init__(self, settings: config.Config, ready_file: Path | None, command: Command) -> None:
        self._settings = settings
        self._ready_file = ready_file
        self._command = command
        self._stopping = asyncio.Event()
        self._serving = asyncio.Event()
        self._hopeless = ""
        self._unready = {f"worker-{number}" for number in range(1, settings.server.workers + 1)} | {JOBS}
        self._processes: dict[str, Process] = {}

    async def run(self) -> int:
        server = self._settings.server
        try:
            reserved = await reserve(server.host, server.port)
        except OSError as error:
            _log.error("cannot_start", problem=f"{server.address} cannot be listened on: {error.strerror}")
            return EXIT_CONFIGURATION
        port = reserved.getsockname()[1]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._pass_on, signal.SIGHUP)
        with reserved:
            async with asyncio.TaskGroup() as group:
                for name in sorted(self._unready):
                    group.create_task(self._keep(name, port))
        if self._ready_file:
            self._ready_file.unlink(missing_ok=True)
        if self._hopeless:
            _log.error("cannot_start", problem=self._hopeless)
            return EXIT_CONFIGURATION
        _log.info("stopped")
        return 0

    async def _keep(self, name: str, port: int) -> None:
        """Keep one child running until everything stops."""
        wait = _FIRST_WAIT_SECONDS
        if name == JOBS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._serving.wait(), _JOBS_WAIT_SECONDS)
        while not self._stopping.is_set():
            process = await Process.start(self._command(name.partition("-")[0], port))
            self._processes[name] = process
            _log.info("process_started", process=name, pid=process.pid)
            lived = await self._until_end(name, process, port)
            if self._stopping.is_set():
                return
            if process.status == EXIT_CONFIGURATION:
                self._hopeless = process.message or f"{name} cannot start; its log says why"
                self._stopping.set()
                return
            wait = _FIRST_WAIT_SECONDS if lived >= _HEALTHY_SECONDS else min(wait * 2, _LONGEST_WAIT_SECONDS)
            _log.warning("process_ended", process=name, status=process.status, restart_in_seconds=wait)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _until_end(self, name: str, process: Process, port: int) -> float:
        """Wait for a child's end, ending it when everything stops; return the seconds that it lived."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        ready = asyncio.create_task(process.ready())
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        waiting = {ready, ended, stopping}
        while not ended.done() and not stopping.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if ready in done and ready.result():
                self._say_ready(name, port)
        if not ended.done():
            await process.stop(self._settings.server.drain_seconds + _KILL_SECONDS)
        await ended
        await asyncio.wait({ready}, timeout=_KILL_SECONDS)
        ready.cancel()
        stopping.cancel()
        return loop.time() - started

    def _say_ready(self, name: str, port: int) -> None:
        if name != JOBS:
            self._serving.set()
        was_unready = bool(self._unready)
        self._unready.discard(name)
        if self._unready or not was_unready:
            return
        address = f"{self._settings.server.address.rpartition(':')[0]}:{port}"
        if self._ready_file:
            _write(self._ready_file, f"{address}\n")
        _log.info("ready", address=address)

    def _pass_on(self, number: signal.Signals) -> None:
        for process in self._processes.values():
            process.send(number)


async def reserve(host: str, port: int) -> socket.socket:
    """Bind a port that other processes may listen on, without listening; port 0 lets the system choose.

    Raises:
        OSError: Someone else listens there, after 5 s of waiting for an earlier vault's end, or the address is
            not this machine's.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    deadline = asyncio.get_running_loop().time() + _ADDRESS_SECONDS
    while True:
        try:
            # SO_REUSEPORT would let a second vault of the same user share the port in silence: ask without.
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(place)
                place = probe.getsockname()
            break
        except OSError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.1)
    reserved = socket.socket(family, kind, protocol)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind(place)
    except OSError:
        reserved.close()
        raise
    return reserved


def _write(path: Path, text: str) -> None:
    """Put a file in place as a whole, so that nobody reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
