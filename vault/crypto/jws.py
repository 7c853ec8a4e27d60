"""Signed claims in their one spelling: compact JWS (RFC 7515) with Ed25519 (RFC 8037).

``statement`` and ``receipt`` say what is signed; this is how. The protected header, in JSON without blanks:
    alg   "EdDSA"
    kid   the key's id as ListPublicKeys gives it, such as "receipt-1"
    typ   the type, in full
The payload is one JSON object (RFC 8259, UTF-8), its names sorted.

1. What is read was signed whole, as that type, by the key that it names. Only a header written as ours is
   taken, so nothing in it can ask for another algorithm, key or meaning (RFC 8725, sections 3.1 and 3.11).
2. There is one spelling of the same claims under the same key: another order, blanks, a name that stands twice
   and spare bits of base64 are refused.
3. Nothing of a text is read as JSON before its signature is verified.

It needs nothing of a server.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from vault.crypto.derived import Derived
from vault.model.states import KeyPurpose
from vault.secret import Secret

if TYPE_CHECKING:
    from vault.crypto.keyring import Key  # a client that verifies has no use for what a keyring needs

_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC_KEY_SIZE: Final = 32
_WRITER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


@lru_cache(maxsize=64)
def key_id(purpose: KeyPurpose, version: int) -> str:
    """Return a key pair's id, as ListPublicKeys gives it."""
    return f"{KeyPurpose(purpose).name.lower()}-{version}"


def sign(key: "Key", kind: str, claims: Mapping[str, Any]) -> str:
    """Sign claims as a type; what is derived from the key is kept as long as its secret.

    Raises:
        ValueError: A claim has no JSON.
    """
    signed = f"{_header(key_id(key.purpose, key.version), kind)}.{spell(_json(dict(claims)))}"
    signature = crypto_sign(signed.encode(), _signing_key(key.secret))[:crypto_sign_BYTES]
    return f"{signed}.{spell(signature)}"


def read(text: str, public_keys: Mapping[str, bytes], kind: str, longest: int) -> dict[str, Any] | None:
    """Return the claims of a text of one type, signed by one of the keys; None where it is anything else.

    Args:
        text: The compact JWS, whoever it came from.
        public_keys: Ed25519 public keys of 32 bytes by their ids.
        kind: The type it must have.
        longest: Characters at most; whatever is longer is not looked at.
    """
    parts = text.split(".", 3) if len(text) <= longest else []
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):  # noqa: PLR2004  header, payload, signature
        return None
    header, payload, signature = parts
    signer = next((name for name in public_keys if _header(name, kind) == header), None)
    if signer is None or len(public_keys[signer]) != _PUBLIC_KEY_SIZE:
        return None
    try:
        crypto_sign_open(unspell(signature) + f"{header}.{payload}".encode(), public_keys[signer])
        content = unspell(payload)
        claims = json.loads(content)
        spelled = _json(claims)
    except (CryptoError, ValueError):
        return None
    return claims if isinstance(claims, dict) and spelled == content else None


def spell(data: bytes) -> str:
    """Return bytes in base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unspell(text: str) -> bytes:
    """Return the bytes of what ``spell`` wrote.

    Raises:
        ValueError: It is not spelled so; decoding alone would pass over foreign characters and spare bits.
    """
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if spell(data) != text:
        message = "not spelled as base64url without padding"
        raise ValueError(message)
    return data


@lru_cache(maxsize=64)
def _header(name: str, kind: str) -> str:
    return spell(_json({"alg": "EdDSA", "kid": name, "typ": kind}))


def _json(value: object) -> bytes:
    return _WRITER.encode(value).encode()


def _expand(secret: Secret) -> bytes:
    return crypto_sign_seed_keypair(secret.expose())[1]


_signing_key: Final = Derived(_expand)
