"""Envelopes: each record under a data key of its own, and that under a key-encryption key.

Format of both blobs, the sealed record and the wrapped data key:
    format       1   0x01
    key version  4   big-endian: the key-encryption key's version when the blob was made
    nonce       12   random
    ciphertext       as long as the plaintext (a data key: 32 bytes)
    tag         16   AES-256-GCM
    associated data: the blob's first five bytes, then ``encoding`` of label, format version, table, column,
    program, card id, generation. The labels of records and of data keys differ.

1. A blob opens only in the table, column, program, card and generation that it was sealed for, and only whole.
2. Every record has a fresh AES-256 key from the randomness given, so its nonce cannot repeat under that key.
3. A data key can be wrapped anew without touching its record. The wrapped key's version says which
   key-encryption key is needed; the sealed record's own version only says under which it was first sealed.
4. Whatever is wrong, the error is the same.

One key-encryption key may wrap 2^32 times (NIST SP 800-38D, section 8.3); the caller counts. It does not
protect against an older blob of the very same place put back: the record's version and the audit notice that.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from vault.crypto.encoding import encode
from vault.crypto.primitives import KEY_SIZE, NONCE_SIZE, TAG_SIZE, GcmKey, Random, refused
from vault.errors import IntegrityFailure
from vault.secret import Secret

SEALED_LABEL: Final = "cardvault.v1.sealed"
WRAPPED_LABEL: Final = "cardvault.v1.wrapped"

_FORMAT: Final = 1
_HEAD_SIZE: Final = 5
_BODY: Final = _HEAD_SIZE + NONCE_SIZE
_DRAWN: Final = KEY_SIZE + 2 * NONCE_SIZE
_SEALED_START: Final = encode((SEALED_LABEL, _FORMAT))
_WRAPPED_START: Final = encode((WRAPPED_LABEL, _FORMAT))


class Place(NamedTuple):
    """Where a blob belongs.

    Fields:
        table: The table's name.
        column: The sealed record's column; the same for its wrapped data key.
        program: The program's id.
        card_id: The card's 16 bytes, or a batch's.
        generation: The code's generation; for a payload, its own version.
    """

    table: str
    column: str
    program: str
    card_id: bytes
    generation: int

    def associated_data(self, kind: str) -> bytes:
        """Return what a blob of a kind (``SEALED_LABEL`` or ``WRAPPED_LABEL``) is bound to."""
        return encode((kind, _FORMAT, *self))


class WrappingKey:
    """A key-encryption key of 32 bytes and its version, 1 to 2^32 - 1."""

    __slots__ = ("gcm", "head", "version")

    def __init__(self, version: int, key: Secret) -> None:
        self.version = version
        self.gcm = GcmKey(key.expose())
        self.head = bytes((_FORMAT,)) + version.to_bytes(4, "big")


WrappingKeys: TypeAlias = Mapping[int, WrappingKey]
"""Key-encryption keys by version."""


def version_of(blob: bytes) -> int:
    """Return the key version that a blob names.

    Raises:
        IntegrityFailure: SEALED: it is no blob of this format.
    """
    if len(blob) < _BODY + TAG_SIZE or blob[0] != _FORMAT:
        raise refused()
    return int.from_bytes(blob[1:_HEAD_SIZE], "big")


def wrap(key: bytes, place: Place, wrapping_key: WrappingKey, random: Random) -> bytes:
    """Wrap a key for a place. It counts as one use of the wrapping key."""
    nonce = random(NONCE_SIZE)
    head = wrapping_key.head
    return head + nonce + wrapping_key.gcm.seal(nonce, key, head + place.associated_data(WRAPPED_LABEL))


def unwrap(wrapped: bytes, place: Place, wrapping_keys: WrappingKeys) -> bytes:
    """Return the key that was wrapped for a place.

    Raises:
        IntegrityFailure: SEALED: it was not wrapped here, not under one of these keys, or was changed since.
    """
    return _unwrap(wrapped, encode(place), wrapping_keys)


def _unwrap(wrapped: bytes, bound: bytes, wrapping_keys: WrappingKeys) -> bytes:
    wrapping_key = wrapping_keys.get(version_of(wrapped))
    if wrapping_key is None:
        raise refused()
    bound = wrapping_key.head + _WRAPPED_START + bound
    return wrapping_key.gcm.open(wrapped[_HEAD_SIZE:_BODY], wrapped[_BODY:], bound)


def rewrap_many(
    blobs: Sequence[bytes], places: Sequence[Place], old: WrappingKeys, wrapping_key: WrappingKey, random: Random
) -> list[bytes | None]:
    """Wrap the very same data keys anew, each for the place at its position; what they open is left as it is.

    It draws randomness once and counts as one use of the wrapping key for each.

    Returns:
        For each wrapped key the new blob; None for one that was not wrapped there under one of the old keys.
    """
    drawn = random(NONCE_SIZE * len(blobs))
    head = wrapping_key.head
    seal_key = wrapping_key.gcm.seal
    start = head + _WRAPPED_START
    made: list[bytes | None] = []
    for number, (blob, place) in enumerate(zip(blobs, places, strict=True)):
        bound = encode(place)
        nonce = drawn[number * NONCE_SIZE : (number + 1) * NONCE_SIZE]
        try:
            made.append(head + nonce + seal_key(nonce, _unwrap(blob, bound, old), start + bound))
        except IntegrityFailure:
            made.append(None)
    return made


def seal_many(
    plaintexts: Sequence[bytes], places: Sequence[Place], wrapping_key: WrappingKey, random: Random
) -> list[tuple[bytes, bytes]]:
    """Seal records, each for the place at its position and under a fresh data key.

    It draws randomness once and counts as one use of the wrapping key for each record.

    Returns:
        For each record, the sealed record and the wrapped data key.
    """
    drawn = random(_DRAWN * len(plaintexts))
    head = wrapping_key.head
    seal_key = wrapping_key.gcm.seal
    sealed_start = head + _SEALED_START
    wrapped_start = head + _WRAPPED_START
    blobs = []
    start = 0
    for plaintext, place in zip(plaintexts, places, strict=True):
        bound = encode(place)
        key = drawn[start : start + 32]
        nonce = drawn[start + 32 : start + 44]
        key_nonce = drawn[start + 44 : start + 56]
        start += _DRAWN
        sealed = head + nonce + GcmKey(key).seal(nonce, plaintext, sealed_start + bound)
        blobs.append((sealed, head + key_nonce + seal_key(key_nonce, key, wrapped_start + bound)))
    return blobs


def seal(plaintext: bytes, place: Place, wrapping_key: WrappingKey, random: Random) -> tuple[bytes, bytes]:
    """Seal one record for a place: return the sealed record and its wrapped data key."""
    return seal_many((plaintext,), (place,), wrapping_key, random)[0]


def open_sealed(sealed: bytes, wrapped: bytes, place: Place, wrapping_keys: WrappingKeys) -> bytes:
    """Return the record that was sealed for a place.

    Raises:
        IntegrityFailure: SEALED: one of the two was not sealed here, not under these keys, or was changed.
    """
    bound = encode(place)
    key = _unwrap(wrapped, bound, wrapping_keys)
    version_of(sealed)
    bound = sealed[:_HEAD_SIZE] + _SEALED_START + bound
    return GcmKey(key).open(sealed[_HEAD_SIZE:_BODY], sealed[_BODY:], bound)


def open_many(
    blobs: Sequence[tuple[bytes, bytes]], places: Sequence[Place], wrapping_keys: WrappingKeys
) -> list[bytes | None]:
    """Open sealed records with their wrapped data keys, each at the place at its position.

    Returns:
        For each, the record; None for one that was not sealed there, not under these keys, or was changed.
    """
    opened: list[bytes | None] = []
    for (sealed, wrapped), place in zip(blobs, places, strict=True):
        bound = encode(place)
        try:
            key = GcmKey(_unwrap(wrapped, bound, wrapping_keys))
            version_of(sealed)
            bound = sealed[:_HEAD_SIZE] + _SEALED_START + bound
            opened.append(key.open(sealed[_HEAD_SIZE:_BODY], sealed[_BODY:], bound))
        except IntegrityFailure:
            opened.append(None)
    return opened
