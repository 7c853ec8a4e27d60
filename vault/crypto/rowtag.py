"""Row tags: a keyed MAC over every column of a row that the row may decide something by.

Format of a tag, 21 bytes:
    tag version   1   of the table's shape when the row was written, from 1
    key version   4   big-endian
    mac          16   the first half of HMAC-SHA-256 under the row tag key over ``encoding`` of
                      label "cardvault.v1.rowtag", table's name, tag version, then each tagged column in the
                      order of the row, and last one mark byte that is stored nowhere: 0

1. A row forged, edited, or moved to another key or table is refused; so are columns swapped between rows.
2. A row of an older tag version holds nothing but None in columns that are younger, and a tag cannot be passed
   off as one of an older version.
3. A refusal names the table and the row's key, save a digest: for a code it names the card and the generation.

Sealed columns are not covered: their associated data binds them. It does not protect against deletion, nor
against an older row put back with its own tag. 128 bits leave a forger one chance in 2^128 a try.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hmac import compare_digest
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from vault.crypto.columns import encode_rows
from vault.crypto.encoding import encode
from vault.crypto.primitives import hmac_sha256, hmac_sha256_many
from vault.errors import IntegrityFailure
from vault.model.shape import Shape
from vault.secret import Secret

R = TypeVar("R", bound=tuple[Any, ...])

_LABEL: Final = "cardvault.v1.rowtag"
_MARK: Final = b"\x00"
_HEAD_SIZE: Final = 5
_MAC_SIZE: Final = 16
TAG_SIZE: Final = _HEAD_SIZE + _MAC_SIZE


class _Layout(NamedTuple):
    """What a tag version covers of a table's rows, and where the columns stand that are younger than it."""

    start: bytes
    covered: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    younger: tuple[int, ...]


class _Plan:
    """A shape, worked out: a layout for each tag version, and where the tag stands."""

    def __init__(self, shape: Shape) -> None:
        columns = shape.columns
        if "tag" not in columns:
            message = f"rows of table {shape.table} have no tag"
            raise ValueError(message)
        newest = shape.tagged(shape.tag_version)
        self.shape = shape
        self.place = columns.index("tag")
        self.layouts = {
            version: _Layout(
                encode((_LABEL, shape.table, version)),
                _selection([columns.index(name) for name in shape.tagged(version)]),
                tuple(columns.index(name) for name in newest if name not in shape.tagged(version)),
            )
            for version in range(1, shape.tag_version + 1)
        }


class Tagger:
    """Makes row tags under the active row tag key, and verifies them under every one it has."""

    def __init__(self, keys: Mapping[int, Secret], active: int) -> None:
        """Take keys.

        Args:
            keys: Row tag keys (32 bytes) by version, 1 to 2^32 - 1.
            active: The version to make tags under.

        Raises:
            KeyError: ``active`` is not among ``keys``.
        """
        self._keys = {version.to_bytes(4, "big"): key for version, key in keys.items()}
        self._version = active.to_bytes(4, "big")
        self._active = keys[active]
        self._plans: dict[int, _Plan] = {}

    def tag(self, shape: Shape, row: tuple[Any, ...]) -> bytes:
        """Return a row's tag; the row's own ``tag`` column is ignored.

        Raises:
            ValueError: Rows of this table have no tag.
        """
        layout = self._plan(shape).layouts[shape.tag_version]
        mac = _mac(self._active.expose(), layout, row)
        return shape.tag_version.to_bytes(1, "big") + self._version + mac

    def tagged(self, shape: Shape, row: R) -> R:
        """Return the row with its tag."""
        return self.tag_many(shape, (row,))[0]

    def tag_many(self, shape: Shape, rows: Iterable[R]) -> list[R]:
        """Return each row with its tag, in order."""
        plan = self._plan(shape)
        layout = plan.layouts[shape.tag_version]
        head = shape.tag_version.to_bytes(1, "big") + self._version
        place = plan.place
        rows = tuple(rows)
        complete = []
        for row, mac in zip(rows, _macs(self._active.expose(), layout, rows), strict=True):
            tag = head + mac
            # What namedtuple's _replace comes to in the end, without its dictionaries.
            complete.append(tuple.__new__(type(row), (*row[:place], tag, *row[place + 1 :])))
        return complete

    def verify(self, shape: Shape, row: tuple[Any, ...]) -> None:
        """Accept a row that the vault wrote.

        Raises:
            IntegrityFailure: ROW_TAG: it was forged, edited, moved, or tagged under a key that is not there.
        """
        plan = self._plan(shape)
        tag = row[plan.place]
        if isinstance(tag, bytes) and len(tag) == TAG_SIZE:
            layout = plan.layouts.get(tag[0])
            key = self._keys.get(tag[1:_HEAD_SIZE])
            if (
                layout is not None
                and key is not None
                and compare_digest(tag[_HEAD_SIZE:], _mac(key.expose(), layout, row))
                and not (layout.younger and any(row[place] is not None for place in layout.younger))
            ):
                return
        message = f"a row of table {shape.table} is not what the vault wrote: {name_of(shape, row)}"
        raise IntegrityFailure(message, reason="ROW_TAG")

    def verify_many(self, shape: Shape, rows: Iterable[tuple[Any, ...]]) -> None:
        """Accept rows that the vault wrote, in a third of the time that one by one takes.

        Raises:
            IntegrityFailure: ROW_TAG: one was forged, edited, moved, or tagged under a key that is not there.
        """
        plan = self._plan(shape)
        place = plan.place
        by_head: dict[bytes, list[tuple[Any, ...]]] = {}
        for row in rows:
            tag = row[place]
            whole = isinstance(tag, bytes) and len(tag) == TAG_SIZE
            by_head.setdefault(tag[:_HEAD_SIZE] if whole else b"", []).append(row)
        for head, alike in by_head.items():
            layout = plan.layouts.get(head[0]) if head else None
            key = self._keys.get(head[1:])
            if layout is None or layout.younger or key is None:
                for row in alike:
                    self.verify(shape, row)
                continue
            macs = _macs(key.expose(), layout, alike)
            tags = [row[place] for row in alike]
            # All are as long as a tag, so they are equal one after the other only if each is.
            if not compare_digest(b"".join(tags), b"".join([head + mac for mac in macs])):
                for row in alike:
                    self.verify(shape, row)

    def holds_many(self, shape: Shape, rows: Sequence[tuple[Any, ...]]) -> list[bool]:
        """Whether each row is one that the vault wrote, in order; as quick as ``verify_many`` where all are."""
        try:
            self.verify_many(shape, rows)
        except IntegrityFailure:
            return [self._holds(shape, row) for row in rows]
        return [True] * len(rows)

    def _holds(self, shape: Shape, row: tuple[Any, ...]) -> bool:
        try:
            self.verify(shape, row)
        except IntegrityFailure:
            return False
        return True

    def _plan(self, shape: Shape) -> _Plan:
        # A shape has no hash, so its plan is found by identity; the plan keeps it alive, so no other gets that.
        plan = self._plans.get(id(shape))
        if plan is None:
            plan = self._plans[id(shape)] = _Plan(shape)
        return plan


def name_of(shape: Shape, row: tuple[Any, ...]) -> str:
    """Say which row of a table it is, in public words: its key, save a digest; of a code the card and generation."""
    columns = shape.columns
    key = ("card_id", "generation") if "digest" in shape.key else shape.key
    values = (row[columns.index(name)] for name in key)
    return ", ".join(
        f"{name} {value.hex() if isinstance(value, bytes) else value!s}"
        for name, value in zip(key, values, strict=True)
    )


def _mac(key: bytes, layout: _Layout, row: tuple[Any, ...]) -> bytes:
    return hmac_sha256(key, layout.start + encode(layout.covered(row)) + _MARK)[:_MAC_SIZE]


def _macs(key: bytes, layout: _Layout, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
    start, covered = layout.start, layout.covered
    messages = encode_rows(start, [covered(row) for row in rows], _MARK)
    return [mac[:_MAC_SIZE] for mac in hmac_sha256_many(key, messages)]


def _selection(places: Sequence[int]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Return the function that takes the columns at some places out of a row, as a tuple."""
    if len(places) == 1:
        (place,) = places
        return lambda row: (row[place],)
    return itemgetter(*places)
