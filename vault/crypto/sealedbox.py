"""Sealed boxes: a short answer to whoever holds the private half of a one-time X25519 key.

Format of a box, 48 bytes longer than what is in it:
    ephemeral key   32   X25519 public key, new for each box
    tag             16   Poly1305
    ciphertext           XSalsa20 of the plaintext under the shared key; the nonce is BLAKE2b with an output of
                         24 bytes over the ephemeral and the recipient's key

1. Only the recipient's private key opens it, not even whoever sealed it; the same plaintext gives another box
   each time.
2. A box that was changed, cut, or sealed to another key is refused, with one error.

It does not say who sealed it, and binds nothing but its plaintext: what it answers has to stand inside. Source:
libsodium's ``crypto_box_seal``. Only libsodium and the standard library are needed here, for the client's sake.
"""

from typing import Final

from nacl.bindings import crypto_box_keypair, crypto_box_seal, crypto_box_seal_open, crypto_scalarmult_base
from nacl.exceptions import CryptoError

from vault.crypto.derived import Derived
from vault.errors import IntegrityFailure
from vault.secret import Secret

ADDED: Final = 48
"""Bytes by which a box is longer than its plaintext."""


def draw_key() -> Secret:
    """Draw a new X25519 private key (RFC 7748), 32 bytes, from libsodium."""
    return Secret(crypto_box_keypair()[1])


def public_half(private_key: Secret) -> bytes:
    """Return the public key, 32 bytes, of a private key."""
    return crypto_scalarmult_base(private_key.expose())


def seal_box(public_key: bytes, plaintext: bytes) -> bytes:
    """Seal a plaintext to a key that ``keypair.check_recipient_key`` accepts."""
    return crypto_box_seal(plaintext, public_key)


def open_box(private_key: Secret, box: bytes) -> bytes:
    """Return what was sealed to the private key's public half.

    Raises:
        IntegrityFailure: SEALED: it was sealed to another key, was changed, or is no box.
    """
    try:
        return crypto_box_seal_open(box, _public_half(private_key), private_key.expose())
    except (CryptoError, ValueError, TypeError):
        message = "the sealed answer was changed, or was sealed to another key"
        raise IntegrityFailure(message, reason="SEALED") from None


_public_half: Final = Derived(public_half)
