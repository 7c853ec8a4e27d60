"""Frozen vectors: what every construction gave when its format was laid down.

A vector never changes. When a format gets a new version, its vectors are added beside the old ones, which must
still be read.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def load(name: str) -> Any:
    """Return the cases of a file of vectors."""
    return json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))["cases"]


class Stream:
    """Bytes that look random and are the same each time: SHAKE-256 of a seed and a count of calls."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._calls = 0

    def __call__(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(f"{self._seed} {self._calls}".encode()).digest(count)
