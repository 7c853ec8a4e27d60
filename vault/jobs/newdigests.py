"""The codes of a stretch of cards, opened, and what their rows under a new index key need, in the order of writing.

New digests fall anywhere in their index, so a row written by itself costs a page of it. A stretch is made at once, and
written in the order of the digests, so that the rows of a chunk share pages; and it goes from card to card, so that
they share pages of the index on cards too. The longer it is the more they share. The first ones are short, so that
writing begins at once.

What is kept of a code is its digests and tags, in one piece of bytes: the rest is copied by the store from row to row.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Final, NamedTuple

from vault import log
from vault.crypto.digest import DIGEST_SIZE, Digester
from vault.crypto.envelope import Place, open_many
from vault.crypto.rowtag import TAG_SIZE, name_of
from vault.model.rows import CodeRow
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.stores.moves import Successor

_log = log.get(__name__)

CODE: Final = SHAPES["code"]
SEALED: Final = ("sealed_code", "wrapped_code_key")

STRETCH: Final = 16_384
"""Codes of a stretch at most: some 3 MiB. Twice as many were written no faster (260,000 codes, 2026-11-23)."""

PIECE: Final = 2048
"""Codes read and opened at once, and those of the first stretch."""

_digest: Final = itemgetter(slice(DIGEST_SIZE))
_KEPT: Final = Struct(f"{DIGEST_SIZE}s{TAG_SIZE}s{DIGEST_SIZE}s{TAG_SIZE}s16s")
"""A successor's fields and the card's id."""


class Made(NamedTuple):
    """What is kept of codes, and how many were refused for a reason."""

    kept: list[bytes]
    refused: int
    reason: str


class Written(NamedTuple):
    """What a chunk writes: successors, the card of each, and whether they are the last of their stretch."""

    successors: list[Successor]
    card_ids: list[bytes]
    ends: bool


class Mark(NamedTuple):
    """How far a fill is: where its stretch begins, as the store says, and the last digest that was written of it."""

    start: bytes = b""
    digest: bytes = b""

    @classmethod
    def parse(cls, position: bytes) -> "Mark":
        """Read what ``position`` has written; empty is the beginning."""
        size = position[0] if position else 0
        return cls(position[1 : 1 + size], position[1 + size :])

    @property
    def position(self) -> bytes:
        """The size of the start (1 byte), the start, the digest; empty for the beginning."""
        return bytes((len(self.start),)) + self.start + self.digest if any(self) else b""


class Stretch:
    """A stretch of codes on their way to new rows."""

    def __init__(self, job_id: bytes, start: bytes, snapshot: Snapshot) -> None:
        """Begin a stretch of a job at a store's position, by the keys of a snapshot."""
        self.job_id = job_id
        self.start = start
        self.end = b""
        self.snapshot = snapshot
        self.refused = 0
        self.reason = ""
        self.seen = 0
        self._kept: list[bytes] = []

    def add(self, made: Made, seen: int) -> None:
        """Add what was made of ``seen`` codes."""
        self._kept += made.kept
        self.seen += seen
        self.refused += made.refused
        self.reason = made.reason or self.reason

    def sort(self) -> None:
        """Bring all into the order in which it is written; a code that has two old rows gets one new one."""
        self._kept.sort()
        self._kept = [next(alike) for _, alike in groupby(self._kept, key=_digest)]

    def after(self, digest: bytes, limit: int) -> Written:
        """Return up to ``limit`` successors with digests after one."""
        begin = bisect_right(self._kept, digest, key=_digest)
        fields = list(map(_KEPT.unpack, self._kept[begin : begin + limit]))
        successors = [Successor(*those) for *those, _ in fields]
        return Written(successors, [last for *_, last in fields], begin + limit >= len(self._kept))

    def fits(self, job_id: bytes, start: bytes, snapshot: Snapshot) -> bool:
        """Whether it is that of a job and a position, and made by the keys as they are."""
        known = (self.job_id, self.start)
        return known == (job_id, start) and (self.snapshot is snapshot or self.snapshot.key_rows == snapshot.key_rows)


def length(seen: int) -> int:
    """Return how many codes the stretch has that begins after ``seen`` codes."""
    return min(STRETCH, max(PIECE, seen))


def make(snapshot: Snapshot, program: str, version: int, rows: Sequence[CodeRow]) -> Made:
    """Open codes and make what their rows under an index version need.

    Raises:
        IntegrityFailure: KEY_VERSION: the version is not there.
    """
    digester = Digester(version, snapshot.keyring.get(KeyPurpose.INDEX, program, version).secret, program)
    places = [Place("code", "sealed_code", program, row.card_id, row.generation) for row in rows]
    blobs = [(row.sealed_code, row.wrapped_code_key) for row in rows]
    opened = open_many(blobs, places, snapshot.keyring.wrapping_keys(program))
    holds = snapshot.tagger.holds_many(CODE, rows)
    good = [(row, code) for row, held, code in zip(rows, holds, opened, strict=True) if held and code is not None]
    refused, reason = len(rows) - len(good), ""
    if refused:
        for row, held, code in zip(rows, holds, opened, strict=True):
            if not held or code is None:
                reason = "SEALED" if held else "ROW_TAG"
                _log.error("row_refused", problem=f"a row of table code fails its check: {name_of(CODE, row)}")
    digests = digester.digest_many(code for _, code in good)
    new = [
        CodeRow(digest, version, program, card_id, generation, serial, sealed, wrapped, b"")
        for digest, ((_, _, _, card_id, generation, serial, sealed, wrapped, _), _) in zip(digests, good, strict=True)
    ]
    kept = [
        _KEPT.pack(row.digest, row.tag, old.digest, old.tag, row.card_id)
        for row, (old, _) in zip(snapshot.tagger.tag_many(CODE, new), good, strict=True)
    ]
    return Made(kept, refused, reason)
