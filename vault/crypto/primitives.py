"""All raw calls of AES-GCM and HMAC; libsodium's are in ``keypair``, ``package`` and ``sealedbox``.

1. AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D). Nonces are random, so one key may seal no
   more than 2^32 times (section 8.3); whoever holds a key that lives longer than one record counts.
2. HMAC-SHA-256 (RFC 2104) by ``hmac.digest``, which leaves no copy of key or message behind; of many messages
   by SHA-256 from the states after the padded key, which are let go of with the call and save half its time.
3. A failure to open says nothing of its reason.
"""

import hmac
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.errors import IntegrityFailure

Random: TypeAlias = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for; ``os.urandom`` in production."""

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16

_BLOCK_SIZE: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
_FEW: Final = 4
"""Messages for which preparing the states does not pay."""


class GcmKey:
    """An AES-256-GCM key, expanded once."""

    __slots__ = ("_gcm",)

    def __init__(self, key: bytes) -> None:
        """Expand a key.

        Raises:
            ValueError: It is not 32 bytes long.
        """
        if len(key) != KEY_SIZE:
            message = f"an AES-256 key has {KEY_SIZE} bytes"
            raise ValueError(message)
        self._gcm = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, associated_data: bytes) -> bytes:
        """Encrypt less than 2^31 bytes under a nonce of 12 bytes new to this key; the tag comes last."""
        return self._gcm.encrypt(nonce, plaintext, associated_data)

    def open(self, nonce: bytes, ciphertext: bytes, associated_data: bytes) -> bytes:
        """Decrypt what ``seal`` made of the same nonce and associated data.

        Raises:
            IntegrityFailure: SEALED: this is not it.
        """
        try:
            return self._gcm.decrypt(nonce, ciphertext, associated_data)
        except (InvalidTag, ValueError):
            raise refused() from None


def refused() -> IntegrityFailure:
    """Return the one error of everything that cannot be opened, whatever the reason."""
    message = "sealed data cannot be opened: it is not what the vault sealed here"
    return IntegrityFailure(message, reason="SEALED")


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the 32 bytes of HMAC-SHA-256."""
    return hmac.digest(key, message, "sha256")


def hmac_sha256_many(key: bytes, messages: Sequence[bytes]) -> list[bytes]:
    """Return the HMAC-SHA-256 of each message, in order.

    Raises:
        ValueError: The key is not 32 bytes long; a longer one would have to be shortened first.
    """
    if len(key) != KEY_SIZE:
        problem = f"an HMAC key has {KEY_SIZE} bytes"
        raise ValueError(problem)
    if len(messages) < _FEW:
        return [hmac.digest(key, message, "sha256") for message in messages]
    padded = key.ljust(_BLOCK_SIZE, b"\x00")
    inner_state = sha256(padded.translate(_INNER_PAD)).copy
    outer_state = sha256(padded.translate(_OUTER_PAD)).copy
    macs = []
    for message in messages:
        inner, outer = inner_state(), outer_state()
        inner.update(message)
        outer.update(inner.digest())
        macs.append(outer.digest())
    return macs
