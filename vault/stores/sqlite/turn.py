"""The queue in which processes wait to write to one database file.

1. At most one holder among all threads and processes of the machine.
2. Who lets go and wants it again stands behind whoever waits, so a busy job cannot keep a validation out.
3. A holder that dies lets go, as the kernel drops its locks.

SQLite's own lock is polled with growing pauses; waiting here costs no polling. Two flock(2) locks make the
queue: ``<database>.next`` is held by the one who is next, ``<database>.lock`` by the one whose turn it is.

It does not protect against a holder that is stopped (SIGSTOP): writers wait until it runs again; reads go on.
flock works between processes of one machine; the database must not lie on a network file system.
"""

import fcntl
import os
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

    def __enter__(self) -> None:
        fcntl.flock(self._next, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        finally:
            fcntl.flock(self._next, fcntl.LOCK_UN)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give up the place. The files stay, since others may stand in the queue."""
        os.close(self._next)
        os.close(self._lock)
