"""Digests: the only thing that a code is looked up by.

Digest, 32 bytes: HMAC-SHA-256 under the program's index key over
    label            20   "cardvault.v1.digest" and a zero byte
    program's length  4   big-endian, of its UTF-8
    program
    digits                ASCII, normalized

1. Without the index key a digest tells nothing of its code, and codes cannot be tried against it; with it, all
   codes of a program can be tried in hours. So the key is never stored beside the digests.
2. The same code has unrelated digests in two programs and under two keys.
"""

from collections.abc import Iterable
from typing import Final

from vault.crypto.primitives import hmac_sha256, hmac_sha256_many
from vault.secret import Secret

_LABEL: Final = b"cardvault.v1.digest\x00"


class Digester:
    """Makes a program's digests under one version of its index key (32 bytes)."""

    __slots__ = ("_key", "_start", "version")

    def __init__(self, version: int, key: Secret, program: str) -> None:
        self.version = version
        self._key = key
        name = program.encode()
        self._start = _LABEL + len(name).to_bytes(4, "big") + name

    def digest(self, digits: bytes) -> bytes:
        """Return the digest of a code's normalized digits, check digit included."""
        return hmac_sha256(self._key.expose(), self._start + digits)

    def digest_many(self, codes: Iterable[bytes]) -> list[bytes]:
        """Return the digest of each code's digits, in order."""
        start = self._start
        return hmac_sha256_many(self._key.expose(), [start + digits for digits in codes])
