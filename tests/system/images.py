"""Memory images of running processes; searching them, and what else relays leave, for codes in every form.

What ``vault.cli.demo.search`` finds (ASCII, packed decimal, integers, base64 and hex of each, reversed too) is
searched for, and two forms besides: digits with spaces, hyphens or zero bytes between them, as groups, UTF-16
and UTF-32 have, and Python's integers.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from vault.cli.demo.search import CHUNK_BYTES, OVERLAP_BYTES, search_bytes
from vault.cli.demo.targets import Bytes, Targets

PAGE_BYTES = 4096
GAP_BYTES = 64  # between what is not side by side
PYTHON_DIGIT_BITS = np.uint64(30)  # CPython's longintrepr.h: an integer is a row of digits of 30 bits, the least first
SPREAD = b" -\0"
DIGITS = re.compile(rb"(?=([0-9]{16}))")


def memory_image(pid: int, folder: Path) -> Bytes:
    """Return the memory of a process as gdb's gcore finds it, pages of zeros left out.

    Mappings that ask to be left out of core dumps are taken too. The test is skipped if it may not look.
    """
    if shutil.which("gcore") is None:
        pytest.skip("gcore is missing: scripts/browser installs gdb on Debian")
    path = folder / f"core.{pid}"
    # What gcore runs, with one setting more; gcore's own -a takes the files of shared libraries besides.
    orders = ("set dump-excluded-mappings on", f"gcore {path}")
    command = ["gdb", "-nx", "-batch", "-p", str(pid), *(word for order in orders for word in ("-ex", order))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if not path.exists():
        assert "ptrace" in done.stderr.lower(), done.stderr
        pytest.skip("no process may look at another's memory here (ptrace)")
    try:
        return occupied(np.fromfile(path, np.uint8))
    finally:
        path.unlink()


def occupied(image: Bytes) -> Bytes:
    """Return the pages that hold anything but zeros, with a gap where pages were left out."""
    pages = image[: image.size // PAGE_BYTES * PAGE_BYTES].reshape(-1, PAGE_BYTES)
    held = pages.any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held, [False]]).astype(np.int8)))
    gap = np.zeros(GAP_BYTES, np.uint8)
    pieces = [gap]
    for first, end in edges.reshape(-1, 2).tolist():
        pieces += (pages[first:end].ravel(), gap)
    return np.concatenate([*pieces, image[pages.size :]])


def forms_in(data: Bytes, codes: Sequence[str], chunk_bytes: int = CHUNK_BYTES) -> set[str]:
    """Return the forms in which bytes hold one of the codes.

    Args:
        data: The bytes.
        codes: Codes of 16 digits.
        chunk_bytes: How much is searched at once.
    """
    targets = Targets([code.encode() for code in codes])
    spelled = {code.encode() for code in codes} | {code[::-1].encode() for code in codes}
    found: set[str] = set()
    for start in range(0, max(data.size, 1), chunk_bytes):
        chunk = data[start : start + chunk_bytes + OVERLAP_BYTES]
        found |= {form for form, _ in search_bytes(chunk, targets)}
        if any(match[1] in spelled for match in DIGITS.finditer(chunk.tobytes().translate(None, SPREAD))):
            found.add("digits, spread out or not")
        found |= _python_integers(chunk, targets)
    return found


def forms_in_files(folder: Path, codes: Sequence[str]) -> set[tuple[str, str]]:
    """Return which files of a folder hold one of the codes, and in which form."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {(path.name, form) for path in files for form in forms_in(np.fromfile(path, np.uint8), codes)}


def _python_integers(chunk: Bytes, targets: Targets) -> set[str]:
    """Find Python's integers: two digits of 4 bytes each, which CPython puts at a multiple of 4."""
    digits = chunk[: chunk.size // 4 * 4].view("<u4").astype(np.uint64)
    values = digits[:-1] + (digits[1:] << PYTHON_DIGIT_BITS)
    limit = np.uint64(1) << PYTHON_DIGIT_BITS
    likely = (digits[:-1] < limit) & (digits[1:] < np.uint64(10**16 >> 30) + np.uint64(1)) & (digits[1:] > 0)
    return {"Python integer"} if targets.owners_of_integers(values[likely]).size else set()
