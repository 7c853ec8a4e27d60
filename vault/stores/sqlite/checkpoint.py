"""Moves what was committed from the WAL into the database file, beside the writers instead of inside a commit.

1. A commit never waits for a checkpoint, except for the short last step of one that rewinds a WAL of more than
   64 MiB; that step takes a writer's turn.
2. Losing this thread loses nothing: the WAL is replayed when the file is next opened, and past 512 MiB of WAL a
   commit does the work itself.

A rewind needs a moment in which everything in the WAL is copied and nobody writes. Copying without the turn,
until little is left, keeps that moment short.
"""

import contextlib
import sqlite3
import threading
import time

from vault.stores.sqlite.turn import Turn

PAUSE_SECONDS = 0.05
"""Writes of this long are copied together, so a page written many times is copied once.

Not longer: a commit that meets the fsync of a copy waits for it, and after half a second of a job that took 45 ms."""

REWIND_PAGES = 16_384
"""A WAL of this many pages, 64 MiB, is rewound."""

_QUICK_SECONDS = 0.02
_ROUNDS = 4


class Checkpointer:
    """A thread that copies after writes; ``wake`` it after each commit."""

    def __init__(self, connection: sqlite3.Connection, turn: Turn) -> None:
        self._connection = connection
        self._turn = turn
        self._written = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Say that something was written."""
        if not self._written.is_set():
            self._written.set()

    def close(self) -> None:
        """Stop after the step at hand; blocks for as long as that takes."""
        self._closing.set()
        self._written.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._written.wait()
            if self._closing.wait(PAUSE_SECONDS):
                break
            self._written.clear()
            if self._closing.is_set():  # since the pause: what has just been cleared may have said so
                break
            with contextlib.suppress(sqlite3.Error, OSError):  # the next one does it, or the next commit says why
                self._copy()
        self._connection.close()
        self._turn.close()

    def _copy(self) -> None:
        for _ in range(_ROUNDS):
            began = time.monotonic()
            pages = self._step()
            if time.monotonic() - began < _QUICK_SECONDS:
                break
        if pages >= REWIND_PAGES and not self._closing.is_set():
            with self._turn:
                self._step()

    def _step(self) -> int:
        """Copy what no reader still needs the old pages for; return the WAL's length in pages."""
        _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return int(pages)
