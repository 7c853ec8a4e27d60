"""Public keys: of the vault's own key pairs, and of recipients.

1. A private key is 32 random bytes: the seed of an Ed25519 key (RFC 8032) for what is signed, the scalar of an
   X25519 key (RFC 7748) for what is sealed to the vault.
2. A recipient's key of low order is refused: what is sealed to it anybody could open.

It does not prove that the recipient holds the private key.
"""

from typing import Final

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from vault.errors import InvalidInput
from vault.model.states import KeyPurpose
from vault.secret import Secret

PUBLIC_KEY_SIZE: Final = 32

_SIGNING: Final = frozenset({KeyPurpose.RECEIPT, KeyPurpose.STATEMENT, KeyPurpose.CHECKPOINT})
# Any scalar will do: a multiple of 8 after clamping, it takes every point of low order to zero.
_TRIAL_SCALAR: Final = bytes(range(32))


def public_key(purpose: KeyPurpose, secret: Secret) -> bytes | None:
    """Return the public key (32 bytes) of a key of a purpose; None where the purpose has none."""
    if purpose in _SIGNING:
        return crypto_sign_seed_keypair(secret.expose())[0]
    if purpose == KeyPurpose.SEALING:
        return crypto_scalarmult_base(secret.expose())
    return None


def check_recipient_key(public: bytes) -> None:
    """Accept an X25519 public key that packages can be sealed to.

    Raises:
        InvalidInput: PUBLIC_KEY: it is not 32 bytes long, or is of low order (RFC 7748, section 6.1).
    """
    if len(public) != PUBLIC_KEY_SIZE:
        message = f"an X25519 public key has {PUBLIC_KEY_SIZE} bytes"
        raise InvalidInput(message, reason="PUBLIC_KEY", field="public_key")
    try:
        crypto_scalarmult(_TRIAL_SCALAR, public)
    except CryptoError:
        # libsodium refuses a shared secret of zeros.
        message = "the public key is one of the few that anybody could open packages for; make a new key pair"
        raise InvalidInput(message, reason="PUBLIC_KEY", field="public_key") from None
