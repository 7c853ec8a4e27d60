"""Keeps one process of the vault running.

1. One that ends is started again: after 0.2 s if it had served for 5 s, else after a wait that doubles up to 10 s.
2. One that hangs (see ``pulse``) is aborted, so that the log gets its stacks, killed 2 s later, and started again.
3. One that is replaced goes on until its successor serves, then drains; a successor that does not come up changes
   nothing.
4. When the vault stops, its process gets SIGTERM and its time to drain, then SIGKILL.

A process that not even SIGKILL ends, as on a disk that does not answer, is taken down as hung and waited for.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from vault import log, metrics
from vault.child import EXIT_CONFIGURATION
from vault.health import Health, State
from vault.process import Process

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.2, 10.0
HEALTHY_SECONDS = 5.0
TICK_SECONDS = 0.5
_log = log.get(__name__)


class Surroundings(NamedTuple):
    """What a vault's watchers share."""

    launch: Callable[[str], Awaitable[Process]]
    """Starts a process by its name."""
    health: Health
    stopping: asyncio.Event
    stop_seconds: float
    came_up: Callable[[str], None]
    """Called whenever a process of that name has come up."""
    is_fatal: Callable[[str], bool]
    """Told why a process can never start; answers whether the vault stops for it."""
    gone: Callable[[int], None]
    """Called with the id of each process that has ended."""


class _Successor(NamedTuple):
    process: Process
    left: asyncio.Event
    """Set once the process before has ended."""


class Watcher:
    """Keeps the process of one name."""

    def __init__(self, name: str, around: Surroundings) -> None:
        self.name = name
        self.process: Process | None = None
        self._around = around
        self._successor: asyncio.Future[_Successor] = asyncio.get_running_loop().create_future()
        self._draining: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the process running until the vault stops, and drain it then."""
        around, wait = self._around, FIRST_WAIT_SECONDS
        process: Process | None = None
        while process is not None or not around.stopping.is_set():
            process = process or await self._start(self.name)
            self.process = process
            successor = await self._serve(process) if process else None
            self.process = successor
            if successor is None and not around.stopping.is_set():
                around.health.set(self.name, State.ENDED)
                if process and process.status == EXIT_CONFIGURATION and around.is_fatal(self._why(process)):
                    break
                healthy = process is not None and process.served_seconds() >= HEALTHY_SECONDS
                wait = FIRST_WAIT_SECONDS if healthy else min(wait * 2, LONGEST_WAIT_SECONDS)
                if process:
                    self._tell_end(process, wait)
                successor = await self._rest(wait)
            process = successor
        if self._successor.done():  # it was handed over as the vault stopped
            late = self._take()
            await self._leave(late.process, self.name)
            late.left.set()
        if self._draining:
            await asyncio.wait(self._draining)
        around.health.forget(self.name)

    async def replace(self) -> bool:
        """Start a successor, and once it serves let the present process drain; return when that has ended.

        Returns:
            Whether it was replaced; it was not if the successor did not come up, or the vault stops.
        """
        name = f"{self.name} (next)"
        fresh = await self._start(name)
        came_up = fresh is not None and await self._comes_up(fresh)
        self._around.health.forget(name)
        if fresh is None:
            return False
        if self._around.stopping.is_set() or not came_up:
            if not self._around.stopping.is_set():
                _log.error("process_not_replaced", process=self.name, problem=self._why(fresh))
            await self._leave(fresh, name)
            return False
        left = asyncio.Event()
        self._successor.set_result(_Successor(fresh, left))
        await left.wait()
        return True

    async def _start(self, name: str) -> Process | None:
        """Start a process; None if the machine has no room for one."""
        self._around.health.set(name, State.STARTING)
        try:
            process = await self._around.launch(name)
        except OSError as error:
            _log.error("process_not_started", process=name, problem=error.strerror)
            return None
        _log.info("process_started", process=name, pid=process.pid)
        return process

    async def _serve(self, process: Process) -> Process | None:
        """See a process to its end, or to its replacement by the one that is returned."""
        ready = asyncio.create_task(process.ready.wait())
        ended = asyncio.create_task(process.ended())
        stopping = asyncio.create_task(self._around.stopping.wait())
        events: set[asyncio.Future[Any]] = {ready, ended, stopping, self._successor}
        hung = False
        try:
            while True:
                await asyncio.wait(events, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if self._successor.done():
                    return self._hand_over(process)
                if stopping.done():
                    await self._leave(process, self.name)
                    return None
                if ended.done():
                    self._around.gone(process.pid)
                    return None
                if ready in events and ready.done():
                    events.discard(ready)
                    self._around.health.set(self.name, State.READY)
                    self._around.came_up(self.name)
                elif (problem := process.problem()) and not hung:
                    hung = True
                    self._around.health.set(self.name, State.HUNG)
                    await self._end_hung(self.name, process, problem)
        finally:
            for task in (ready, ended, stopping):
                task.cancel()

    async def _comes_up(self, process: Process) -> bool:
        """Wait until a successor serves; false if it ends before, hangs, or the vault stops."""
        ready = asyncio.create_task(process.ready.wait())
        ended = asyncio.create_task(process.ended())
        stopping = asyncio.create_task(self._around.stopping.wait())
        events: set[asyncio.Task[Any]] = {ready, ended, stopping}
        try:
            while not any(event.done() for event in events):
                await asyncio.wait(events, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if problem := process.problem():
                    await self._end_hung(f"{self.name} (next)", process, problem)
                    break
            return ready.done() and not ended.done() and not stopping.done()
        finally:
            for task in events:
                task.cancel()

    async def _end_hung(self, name: str, process: Process, problem: str) -> None:
        _log.error("process_hung", process=name, pid=process.pid, problem=problem)
        await process.abort()

    async def _rest(self, seconds: float) -> Process | None:
        """Wait before a restart, but not when the vault stops; return a successor that was handed over meanwhile."""
        stopping = asyncio.create_task(self._around.stopping.wait())
        events: set[asyncio.Future[Any]] = {stopping, self._successor}
        await asyncio.wait(events, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not self._successor.done():
            return None
        taken = self._take()
        taken.left.set()
        return taken.process

    def _hand_over(self, process: Process) -> Process:
        """Let a process drain in the background, and return its successor."""
        taken = self._take()

        async def drain() -> None:
            await self._leave(process, f"{self.name} (before)")
            taken.left.set()

        task = asyncio.create_task(drain())
        self._draining.add(task)
        task.add_done_callback(self._draining.discard)
        return taken.process

    def _take(self) -> _Successor:
        taken, self._successor = self._successor, asyncio.get_running_loop().create_future()
        return taken.result()

    async def _leave(self, process: Process, name: str) -> None:
        """Have a process drain and end, or be ended."""
        self._around.health.set(name, State.DRAINING)
        await process.stop(self._around.stop_seconds)
        if process.status is None:
            _log.error("process_does_not_end", process=name, pid=process.pid)
        else:
            await process.ended()
            self._around.gone(process.pid)
        self._around.health.forget(name)

    def _why(self, process: Process) -> str:
        return process.message or f"{self.name} cannot start; its log says why"

    def _tell_end(self, process: Process, wait: float) -> None:
        stack = {"stack": "\n".join(process.stack)} if process.stack else {}
        metrics.count("processes_ended", process=self.name.partition("-")[0])
        _log.warning(
            "process_ended", process=self.name, pid=process.pid, status=process.status, restart_in_seconds=wait, **stack
        )
