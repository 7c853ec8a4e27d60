"""Searching files for codes, in every form in which a vault might have written one by mistake.

1. A code is found wherever it stands, at any byte, across any boundary of what is read at once, as: ASCII
   digits; packed decimal; 8-byte integer, little- and big-endian; each of them with its bytes or its digits
   reversed; hex and base64 (standard and URL-safe, in every alignment) of each of them, and both reversed.
2. What is told of a finding is the file, the form and which code by number; never the code.

It does not find what is encrypted or compressed, digits that are spread out (spaces between them), nor codes
of other lengths than 16 digits.

How it is fast: binary forms are first sought by what few random bytes have (sixteen half bytes of at most 9, or a
zero byte beside a small one), a pass over single bytes; only the places left are compared with the codes. Hex
and base64 can only stand in runs of their letters, so runs of at least 10 are cut out, joined, decoded in every
alignment, forwards and backwards, and searched like the rest.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vault.cli.demo.targets import DIGITS, POWERS, Bytes, Mask, Numbers, Positions, Targets

CHUNK_BYTES = 8 * 1024 * 1024
OVERLAP_BYTES = 128  # more than the longest form: hex of ASCII, 32 letters
SHORTEST_RUN = 10  # base64 of an integer's 7 bytes
NUMBER_BYTES = 8
LARGEST_SECOND_BYTE = 10**DIGITS >> 48  # an integer below 10^16 has a zero byte, then one of at most this


_UPPER, _LOWER, _TENS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz", b"0123456789"


def _values(*alphabets: bytes) -> Bytes:
    """Answer what each byte stands for as a letter of the alphabets; 0 for what is none."""
    values = np.zeros(256, np.uint8)
    for alphabet in alphabets:
        values[np.frombuffer(alphabet, np.uint8)] = np.arange(len(alphabet), dtype=np.uint8)
    return values


def _members(alphabet: bytes) -> Mask:
    members = np.zeros(256, np.bool_)
    members[np.frombuffer(alphabet, np.uint8)] = True
    return members


_BASE64 = _values(_UPPER + _LOWER + _TENS + b"+/", _UPPER + _LOWER + _TENS + b"-_")
_HEX = _values(_TENS + b"abcdef", _TENS + b"ABCDEF")
_IS_LETTER = _members(_UPPER + _LOWER + _TENS + b"+/-_")
_IS_DIGIT = _members(_TENS)
_IS_PACKED = np.array([value >> 4 in range(10) and value & 15 in range(10) for value in range(256)])


class Finding(NamedTuple):
    """One code found: in which file, in which form, and the code's number in the list searched for."""

    path: Path
    form: str
    code_number: int


class Report(NamedTuple):
    """What a search came to."""

    codes: int
    files: int
    searched_bytes: int
    findings: list[Finding]

    @property
    def codes_found(self) -> int:
        """Number of different codes found."""
        return len({finding.code_number for finding in self.findings})


def search_files(paths: Iterable[Path], targets: Targets) -> Report:
    """Search files for codes."""
    files, searched_bytes = 0, 0
    findings: set[Finding] = set()
    for path in paths:
        files += 1
        for chunk, new_bytes in _chunks(path):
            searched_bytes += new_bytes
            findings.update(Finding(path, form, number) for form, number in search_bytes(chunk, targets))
    return Report(targets.count, files, searched_bytes, sorted(findings))


def search_bytes(chunk: Bytes, targets: Targets) -> set[tuple[str, int]]:
    """Search bytes for codes in every form, and answer forms and code numbers."""
    found = _search_plain(chunk, targets, "")
    letters = _joined_runs(chunk)
    if letters.size:
        for direction, text in (("", letters), ("reversed ", letters[::-1])):
            for start in range(2):
                found |= _search_plain(_decode_hex(text[start:]), targets, f"{direction}hex of ")
            for start in range(4):
                found |= _search_plain(_decode_base64(text[start:]), targets, f"{direction}base64 of ")
    return found


def _search_plain(data: Bytes, targets: Targets, prefix: str) -> set[tuple[str, int]]:
    found: set[tuple[str, int]] = set()

    def add(form: str, owners: Positions) -> None:
        found.update((prefix + form, int(number)) for number in owners)

    if data.size < NUMBER_BYTES:
        return found
    zero, small = data == 0, data <= LARGEST_SECOND_BYTE
    last = data.size - NUMBER_BYTES + 1
    windows = sliding_window_view(data, NUMBER_BYTES)
    big = windows[zero[:last] & small[1 : last + 1]].view(">u8").astype(np.uint64).ravel()
    add("big-endian integer", targets.owners_of_integers(big))
    little = windows[zero[NUMBER_BYTES - 1 :] & small[NUMBER_BYTES - 2 : -1]].view("<u8").ravel()
    add("little-endian integer", targets.owners_of_integers(little))
    packed = windows[_runs_of(_IS_PACKED[data], NUMBER_BYTES)]
    add("packed", targets.owners_of_packed(packed.view(">u8").astype(np.uint64).ravel()))
    add("reversed packed", targets.owners_of_packed(packed.view("<u8").ravel()))
    if data.size >= DIGITS:
        digits = sliding_window_view(data, DIGITS)[_runs_of(_IS_DIGIT[data], DIGITS)]
        add("ASCII", targets.owners_of_integers(_spelled(digits)))
    return found


def _spelled(digits: Bytes) -> Numbers:
    answer: Numbers = (digits - ord("0")).astype(np.uint64) @ POWERS
    return answer


def _runs_of(mask: Mask, length: int) -> Positions:
    """Answer where ``length`` true values in a row begin."""
    covered = 1
    while covered < length:
        step = min(covered, length - covered)
        mask = mask[:-step] & mask[step:]
        covered += step
    return np.flatnonzero(mask)


def _joined_runs(data: Bytes) -> Bytes:
    """Answer the runs of letters of base64 (and so of hex), with zero bytes between them.

    The gap of 8 lets an integer that was written without leading zeros find them there, in every alignment.
    """
    gap = np.zeros(8, np.uint8)
    starts = _runs_of(_IS_LETTER[data], SHORTEST_RUN) if data.size >= SHORTEST_RUN else np.empty(0, np.intp)
    if not starts.size:
        return np.empty(0, np.uint8)
    breaks = np.flatnonzero(np.diff(starts) > 1)
    firsts = starts[np.concatenate([[0], breaks + 1])]
    ends = starts[np.concatenate([breaks, [starts.size - 1]])] + SHORTEST_RUN
    pieces = [gap]
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        pieces += (data[first:end], gap)
    return np.concatenate(pieces)


def _decode_hex(text: Bytes) -> Bytes:
    """Decode pairs of hex letters; anything else counts as 0."""
    values = _HEX[text[: text.size // 2 * 2]].reshape(-1, 2)
    decoded: Bytes = (values[:, 0] << np.uint8(4)) | values[:, 1]
    return decoded


def _decode_base64(text: Bytes) -> Bytes:
    """Decode fours of base64 letters (RFC 4648 sections 4 and 5); anything else counts as 0."""
    values = _BASE64[text[: text.size // 4 * 4]].reshape(-1, 4)
    decoded = np.empty((len(values), 3), np.uint8)
    decoded[:, 0] = (values[:, 0] << 2) | (values[:, 1] >> 4)
    decoded[:, 1] = (values[:, 1] << 4) | (values[:, 2] >> 2)
    decoded[:, 2] = (values[:, 2] << 6) | values[:, 3]
    return decoded.ravel()


def _chunks(path: Path) -> Iterator[tuple[Bytes, int]]:
    """Answer a file in chunks that overlap, each with the number of bytes that are new in it."""
    kept = b""
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            yield np.frombuffer(kept + block, np.uint8), len(block)
            kept = (kept + block)[-OVERLAP_BYTES:]
