"""The queue in which processes wait to write to one database file.

1. At most one holder among all threads and processes of the machine.
2. Who lets go and wants it again stands behind whoever waits, so a busy job cannot keep a validation out.
3. A holder that dies lets go, as the kernel drops its locks.
4. Who lets go learns whether somebody stands behind, so a job can be short while others write, and long alone.

SQLite's own lock is polled with growing pauses; waiting here costs no polling. Two flock(2) locks make the
queue: ``<database>.next`` is held by the one who is next, ``<database>.lock`` by the one whose turn it is.

It does not protect against a holder that is stopped (SIGSTOP): writers wait until it runs again or is ended, as the
supervisor does with its own; reads go on.
flock works between processes of one machine; the database must not lie on a network file system.
"""

import fcntl
import math
import os
import time
from pathlib import Path
from types import TracebackType


class Turn:
    """One thread's place in the queue; enter it to write."""

    def __init__(self, database: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._next = os.open(f"{database}.next", flags, 0o600)
        try:
            self._lock = os.open(f"{database}.lock", flags, 0o600)
        except BaseException:
            os.close(self._next)
            raise
        self.followed_at = -math.inf
        """When last somebody stood in the queue at the end of this thread's turn, by the monotonic clock."""

    def __enter__(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_followed():
            self.followed_at = time.monotonic()
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _is_followed(self) -> bool:
        """Whether somebody is next: that is who holds the other lock, waiting for this one.

        Where the system cannot tell, somebody is: whatever it says, this turn was had, and has to be let go of.
        """
        try:
            fcntl.flock(self._next, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.flock(self._next, fcntl.LOCK_UN)
        except OSError:
            return True
        return False

    def close(self) -> None:
        """Give up the place. The files stay, since others may stand in the queue."""
        os.close(self._next)
        os.close(self._lock)


def is_held_by_another(database: Path) -> bool:
    """Tell whether it is another process's turn, as far as the kernel shows its locks (proc(5), /proc/locks)."""
    try:
        inode = str(Path(f"{database}.lock").stat().st_ino)
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    # "1: FLOCK ADVISORY WRITE 4711 fe:00:9977975 0 EOF"; those that wait have "->" after the number. The device is
    # left out: some file systems show another one there than stat(2) does.
    found = [fields for fields in map(str.split, locks) if fields[1] == "FLOCK"]
    return any(fields[5].rpartition(":")[2] == inode and fields[4] != str(os.getpid()) for fields in found)
