"""All raw calls of AES-GCM and HMAC; those of libsodium are in ``keypair`` and ``package``.

1. AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D). Nonces are random, so one key may seal no
   more than 2^32 times (section 8.3); whoever holds a key that lives longer than one record counts.
2. HMAC-SHA-256 (RFC 2104) by ``hmac.digest``, which leaves no copy of key or message behind.
3. A failure to open says nothing of its reason.
"""

import hmac
from collections.abc import Callable
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vault.errors import IntegrityFailure

Random: TypeAlias = Callable[[int], bytes]
"""Returns as many random bytes as it is asked for; ``os.urandom`` in production."""

KEY_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16


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
