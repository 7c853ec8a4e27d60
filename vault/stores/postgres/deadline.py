"""Deadlines for a database that does not answer.

1. A statement or commit that takes longer than its deadline has its connection shut, never its work
   cancelled: a commit whose wait for a standby is cancelled answers success and may be lost (PostgreSQL 15,
   section 27.2.8).
2. Shutting wakes the thread that waits, whatever it waits for; the outcome is then unknown.

One thread looks after all connections of a store, eight times in each deadline, so a deadline is kept to within
an eighth of it.
"""

import contextlib
import math
import os
import socket
import threading
import time


class Line:
    """One connection under a deadline.

    ``until`` (monotonic seconds) is infinite while nothing is awaited; ``late`` tells whether the connection
    was shut since it was first looked after.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.until = math.inf
        self.late = False
        self._gate = threading.Lock()
        self._socket: socket.socket | None = None

    def watch(self, descriptor: int) -> None:
        """Look after a connection's socket from now on; the caller keeps its own descriptor."""
        with self._gate:
            self._forget()
            self.late = False
            self._socket = socket.socket(fileno=os.dup(descriptor))

    def forget(self) -> None:
        """Look after no connection."""
        with self._gate:
            self._forget()

    def start(self) -> None:
        """Begin to count."""
        self.until = time.monotonic() + self.seconds

    def stop(self) -> None:
        """Have no deadline any more."""
        self.until = math.inf

    def shut_if_late(self) -> None:
        """Shut the connection if its deadline has passed."""
        with self._gate:
            if self._socket is not None and time.monotonic() > self.until:
                self.late = True
                with contextlib.suppress(OSError):  # it has gone by itself
                    self._socket.shutdown(socket.SHUT_RDWR)
                self._forget()

    def _forget(self) -> None:
        self.until = math.inf
        if self._socket is not None:
            self._socket.close()
            self._socket = None


class Watch:
    """The thread that looks after lines."""

    def __init__(self, seconds: float) -> None:
        """Start it, for deadlines of so many seconds."""
        self._seconds = seconds
        self._lines: list[Line] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="postgres-deadlines", daemon=True)
        self._thread.start()

    def line(self) -> Line:
        """Return a new line."""
        line = Line(self._seconds)
        self._lines.append(line)
        return line

    def close(self) -> None:
        """End the thread. May be called again."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._seconds / 8):
            for line in list(self._lines):
                line.shut_if_late()
