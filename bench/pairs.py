"""Requests and their right answers, prepared in advance, in a file.

Format: for each pair the request's length and the answer's length (4 bytes each, big-endian), then both.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

_LENGTHS = struct.Struct(">II")
Pair = tuple[bytes, bytes]


def write_pairs(path: Path, pairs: Iterable[Pair]) -> None:
    """Write a new file that only its user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:  # noqa: PTH123  # from a descriptor
        file.writelines(_LENGTHS.pack(len(request), len(answer)) + request + answer for request, answer in pairs)


def read_pairs(path: Path) -> list[Pair]:
    """Read a file of pairs."""
    content = path.read_bytes()
    pairs: list[Pair] = []
    place = 0
    while place < len(content):
        request_length, answer_length = _LENGTHS.unpack_from(content, place)
        middle = place + _LENGTHS.size + request_length
        pairs.append((content[place + _LENGTHS.size : middle], content[middle : middle + answer_length]))
        place = middle + answer_length
    return pairs
