"""What the kernel tells of running processes: children, commands, CPU time, memory."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

KIB_PER_MB = 1024.0
_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Places of utime and stime in /proc/PID/stat after the command's name (proc(5), fields 14 and 15)."""


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def command(pid: int) -> str:
    """Return a process's command line, empty if it has ended; a zero byte ends each argument."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time, in seconds, that processes have used so far, in their own code and in the kernel."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += int(fields[_USER]) + int(fields[_SYSTEM])
    return ticks / _TICKS


def peak_mb(pid: int) -> float:
    """Return the peak of a process's resident memory, in MiB.

    Raises:
        RuntimeError: The kernel does not tell.
    """
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) / KIB_PER_MB
    message = "the kernel does not tell a process's peak of memory"
    raise RuntimeError(message)
