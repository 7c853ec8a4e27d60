"""What the parties know of the time: moments of the story, on one clock for every process of the machine.

1. A moment is noted once, as a line added whole to one file; whoever notes it, everybody reads it.
2. A call that changes what is true is noted before it is sent and after it was answered. An answer that was
   asked for after the second moment, or that came before the first, has one truth; one in between may be either.

The clock is CLOCK_MONOTONIC (clock_gettime(2)), which is the same for all processes until the machine restarts.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path

READY = "-ready"
IDLE, IDLE_END = "idle", "idle-end"
FREEZING, FROZEN = "freezing", "frozen"
REISSUING, REISSUED = "reissuing", "reissued"
KILLING, KILLED = "killing", "killed"
REPRINTED = "reprinted"
THAWING, THAWED = "thawing", "thawed"
AFTER, AFTER_END = "after", "after-end"
SHOPS_CLOSE = "shops-close"
SETTLE = "settle"
PLANTED = "planted"


class Moments:
    """The moments of one run of the story."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, name: str) -> float:
        """Note that it is now, and answer when that is, in seconds."""
        now = time.monotonic()
        line = json.dumps([name, now]) + "\n"
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode("ascii"))
        finally:
            os.close(descriptor)
        return now

    def read(self) -> Mapping[str, float]:
        """Answer the moments so far, in seconds; of one that was noted twice, the first."""
        text = self._path.read_text(encoding="ascii") if self._path.exists() else ""
        found: dict[str, float] = {}
        for name, at in map(json.loads, text.splitlines()):
            found.setdefault(name, at)
        return found
