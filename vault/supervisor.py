"""The supervisor: starts the worker processes and the job process, watches, restarts, replaces and drains them.

1. What ends or hangs is started again (see ``watcher``).
2. Until the vault has been up once, a child that says it can never start (exit status 78) stops everything, and
   its message is the answer. Later it does not: the others go on serving, and it is tried again.
3. SIGTERM and SIGINT drain: every child gets SIGTERM and ``drain_seconds`` + 5 to finish, then SIGKILL.
4. Children do not outlive the supervisor (see ``child``).
5. SIGHUP has files read again (see ``reread``). SIGUSR1 replaces the processes one by one, each by one that serves
   already; if one does not come up, the rest stays as it is.
6. The port is the vault's from before the first child starts to the end (see ``port``).
7. Callers wait for no job: the job process is first started once a worker serves, or after 1 s. Processes
   spend most of their start importing, so three at once on two cores would keep the workers back.
8. A worker that a burst has left large is replaced (see ``wiring.growth``), one an hour at most, so that a bound that
   is too low does little harm.
9. A service manager is told when the vault is ready, reads files again, drains, and lives (see ``sdnotify``).

It holds no key, opens no record and never imports grpc.
"""

import asyncio
import contextlib
import math
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from vault import config, log, metrics
from vault.child import EXIT_CONFIGURATION
from vault.errors import VaultError
from vault.hardening import harden
from vault.health import JOBS, WORKER, Health
from vault.listener import open_listener
from vault.port import reserve
from vault.process import Process
from vault.reread import read_again
from vault.sdnotify import Notifier
from vault.watcher import Surroundings, Watcher

Command = Callable[[str, int], Sequence[str]]

START_SECONDS = 120.0
"""How long a process may take to come up, beside the store's deadline."""
KILL_SECONDS = 5.0
"""How much longer than ``drain_seconds`` a child may take to end."""
_JOBS_WAIT_SECONDS = 1.0
_STATUS_SECONDS = 1.0
_GROWN_SECONDS = 3600.0
"""From one worker that is replaced for its size to the next."""
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
        self._health = Health()
        self._service = Notifier()
        self._hopeless = ""
        self._port = 0
        self._unready = {f"{WORKER}-{number}" for number in range(1, settings.server.workers + 1)} | {JOBS}
        self._watchers: list[Watcher] = []
        self._asked: dict[signal.Signals, asyncio.Event] = {}
        self._replacing = asyncio.Lock()

    async def run(self) -> int:
        server = self._settings.server
        try:
            reserved = await reserve(server.host, server.port)
        except OSError as error:
            _log.error("cannot_start", problem=f"{server.address} cannot be listened on: {error.strerror}")
            return EXIT_CONFIGURATION
        self._port = reserved.getsockname()[1]
        around = Surroundings(
            self._launch,
            self._health,
            self._stopping,
            server.drain_seconds + KILL_SECONDS,
            self._came_up,
            self._is_fatal,
            _gone,
        )
        self._watchers = [Watcher(name, around) for name in sorted(self._unready)]
        self._obey()
        with reserved:
            listener = await open_listener(self._settings, self._health)
            async with self._told_service(), asyncio.TaskGroup() as group:
                for watcher in self._watchers:
                    group.create_task(self._watch(watcher))
                group.create_task(self._whenever(signal.SIGHUP, self._read_again))
                group.create_task(self._whenever(signal.SIGUSR1, self._replace_all))
                group.create_task(self._replace_grown())
            await listener.close()
        if self._ready_file:
            self._ready_file.unlink(missing_ok=True)
        if self._hopeless:
            _log.error("cannot_start", problem=self._hopeless)
            return EXIT_CONFIGURATION
        _log.info("stopped")
        return 0

    def _obey(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        for number in (signal.SIGHUP, signal.SIGUSR1):
            asked = self._asked[number] = asyncio.Event()
            loop.add_signal_handler(number, asked.set)

    def _stop(self) -> None:
        if not self._stopping.is_set():
            self._health.drain()
            self._service.stopping(self._settings.server.drain_seconds + 2 * KILL_SECONDS)
            self._stopping.set()

    async def _launch(self, name: str) -> Process:
        settings = self._settings
        return await Process.start(
            self._command(WORKER if name.startswith(WORKER) else JOBS, self._port),
            start_seconds=START_SECONDS + settings.store.deadline_seconds,
            hang_seconds=settings.server.hang_seconds,
        )

    async def _watch(self, watcher: Watcher) -> None:
        if watcher.name == JOBS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._serving.wait(), _JOBS_WAIT_SECONDS)
        await watcher.run()

    def _came_up(self, name: str) -> None:
        if name != JOBS:
            self._serving.set()
        was_unready = bool(self._unready)
        self._unready.discard(name)
        if self._unready or not was_unready:
            return
        address = f"{self._settings.server.address.rpartition(':')[0]}:{self._port}"
        if self._ready_file:
            _write(self._ready_file, f"{address}\n")
        self._service.ready()
        _log.info("ready", address=address)

    def _is_fatal(self, problem: str) -> bool:
        if not self._unready:
            _log.error("process_cannot_start", problem=problem)
            return False
        self._hopeless = problem
        self._stop()
        return True

    async def _whenever(self, number: signal.Signals, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Act on each signal, one after the other, until the vault stops; those that come meanwhile count once."""
        stopping = asyncio.create_task(self._stopping.wait())
        while not stopping.done():
            asked = asyncio.create_task(self._asked[number].wait())
            await asyncio.wait({asked, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and not stopping.done():
                self._asked[number].clear()
                await act()
            asked.cancel()

    async def _read_again(self) -> None:
        """Have the files read again."""
        up = not self._unready
        if up:
            self._service.reloading()
        await read_again(self._settings, {watcher.name: process for watcher, process in self._workers()})
        if up:
            self._service.ready()

    def _workers(self) -> list[tuple[Watcher, Process]]:
        """Return the workers that serve."""
        found = [(watcher, watcher.process) for watcher in self._watchers if watcher.name != JOBS]
        return [(watcher, process) for watcher, process in found if process and process.ready.is_set()]

    async def _replace_grown(self) -> None:
        """Replace a worker that says it keeps too much memory, until the vault stops."""
        not_before = -math.inf
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _STATUS_SECONDS)
            grown = [(watcher, process) for watcher, process in self._workers() if process.grown_mib > 0]
            now = asyncio.get_running_loop().time()
            if grown and now >= not_before and not self._stopping.is_set():
                not_before = now + _GROWN_SECONDS
                watcher, process = max(grown, key=lambda each: each[1].grown_mib)
                _log.warning("process_grown", process=watcher.name, pid=process.pid, mib=process.grown_mib)
                await self._replace(watcher)

    async def _replace(self, watcher: Watcher) -> bool:
        """Replace one process, unless its successor does not come up; one at a time."""
        async with self._replacing:
            return await watcher.replace()

    async def _replace_all(self) -> None:
        """Replace the processes one by one, the job process last."""
        _log.info("rolling_restart_begun")
        for watcher in sorted(self._watchers, key=lambda each: each.name == JOBS):
            if not await self._replace(watcher):
                if not self._stopping.is_set():
                    _log.error("rolling_restart_failed", process=watcher.name, in_force="the processes before")
                return
        _log.info("rolling_restart_done")

    @contextlib.asynccontextmanager
    async def _told_service(self) -> AsyncIterator[None]:
        """Keep the service manager told how the processes do, and that the vault lives."""
        task = asyncio.create_task(self._tell_service())
        try:
            yield
        finally:
            task.cancel()

    async def _tell_service(self) -> None:
        watchdog = self._service.watchdog_seconds
        told = ""
        while True:
            if (now := self._health.summary()) != told:
                told = now
                self._service.status(told)
            if watchdog and self._health.live():
                self._service.alive()
            await asyncio.sleep(min(_STATUS_SECONDS, watchdog / 3) if watchdog else _STATUS_SECONDS)


def _gone(process_id: int) -> None:
    """Keep what a process has counted; the vault is watched whether that works or not."""
    try:
        metrics.process_ended(process_id)
    except Exception as error:  # noqa: BLE001  its files may be as broken as the process was
        _log.exception("metrics_lost", error, pid=process_id)


def _write(path: Path, text: str) -> None:
    """Put a file in place as a whole, so that nobody reads half of it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
