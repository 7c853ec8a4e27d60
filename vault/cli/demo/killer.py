"""Kills a vault's job process with SIGKILL, at random points of its work, until the work is done.

1. The first kill comes just before the job is created: the officer waits for it, so that there is one however busy
   the machine is. Each other one comes within ``life_seconds`` of the first progress that the job made after the kill
   before; when, is drawn from the system's generator; there is no seed, so no two runs are alike.
2. Only the job process of the vault given is killed: the child of its supervisor whose command line says so.

A kill may meet the process before it has the job, or when the job was done but the officer not yet told.
"""

import contextlib
import os
import secrets
import signal
import threading
from pathlib import Path

from vault.cli.demo.moments import KILLED, KILLING, REISSUED, REISSUING, Moments

POLL_SECONDS = 0.01
JOBS = b"\0--only\0jobs\0"
_RANDOM = secrets.SystemRandom()


class Killer:
    """A thread that kills; ``kills`` are the cards that were done at each kill, as the watcher knew."""

    def __init__(self, supervisor: int, moments: Moments, life_seconds: float) -> None:
        """Begin to watch.

        Args:
            supervisor: Process id of the vault.
            moments: Of the story: the re-issue begins and ends in it.
            life_seconds: Longest time that the job process may work before it is killed.
        """
        self.kills: list[int] = []
        self._supervisor = supervisor
        self._moments = moments
        self._life_seconds = life_seconds
        self._done = 0
        self._stop = threading.Event()
        moments.note(KILLING)
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self._thread.start()

    def report(self, done: int, _total: int) -> None:
        """Take down how far the job is."""
        self._done = done

    def end(self) -> None:
        """Kill no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while REISSUING not in self._moments.read():
            if self._stop.wait(POLL_SECONDS):
                return
        self._done = 0  # what was told until now was of the steps before
        while not self._over() and not self._kill():
            if self._stop.wait(POLL_SECONDS):
                return
        self._moments.note(KILLED)
        while not self._over():
            before = self._done
            while self._done <= before:
                if self._stop.wait(POLL_SECONDS) or self._over():
                    return
            self._kill_after(self._life_seconds)

    def _kill_after(self, longest_seconds: float) -> None:
        if not self._stop.wait(_RANDOM.uniform(0, longest_seconds)) and not self._over():
            self._kill()

    def _kill(self) -> bool:
        """Kill the job process, and answer whether there was one."""
        before = len(self.kills)
        for pid in job_processes(self._supervisor):
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(pid, signal.SIGKILL)
                self.kills.append(self._done)
        return len(self.kills) > before

    def _over(self) -> bool:
        return REISSUED in self._moments.read()


def job_processes(supervisor: int) -> list[int]:
    """Answer the process ids of a vault's job process: one, or none while it is started again."""
    children = _read(Path(f"/proc/{supervisor}/task/{supervisor}/children")).split()
    commands = {int(child): _read(Path(f"/proc/{int(child)}/cmdline")) for child in children}
    return [child for child, command in commands.items() if JOBS in command]


def _read(path: Path) -> bytes:
    """Read what the kernel says of a process; nothing, if it has ended since."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
