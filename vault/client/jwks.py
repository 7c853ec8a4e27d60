"""The vault's signing keys as a JWK set, for libraries that verify JWS.

Format (RFC 7517; for Ed25519 keys RFC 8037, section 2), a JSON object with one name, ``keys``, and in it for
each key:
    kty  "OKP"
    crv  "Ed25519"
    alg  "EdDSA"
    use  "sig"
    kid  the key's id, such as "receipt-1", as it stands in a receipt's header
    x    the public key, 32 bytes, in base64url without padding

1. The set holds the keys of receipts and of statements that count: no compromised one, and none that signs
   otherwise (checkpoints) or not at all (sealing).
2. Of a set that is read, keys of other kinds are passed over (RFC 7517, section 5); one of this kind that is
   malformed, or a ``kid`` that stands twice, and the whole set is refused.

A set is worth what its way was: take it from the vault yourself, and publish it where others cannot write.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from vault.crypto.jws import spell, unspell
from vault.errors import InvalidInput
from vault.v1.resources_pb2 import PublicKey

_KIND: Final[Mapping[str, str]] = {"kty": "OKP", "crv": "Ed25519"}
_USE: Final[Mapping[str, str]] = {"alg": "EdDSA", "use": "sig"}
_PURPOSES: Final = (PublicKey.PURPOSE_RECEIPT, PublicKey.PURPOSE_STATEMENT)
_PUBLIC_KEY_SIZE: Final = 32


def verifying_keys(keys: Iterable[PublicKey]) -> dict[str, bytes]:
    """Return the keys, by id, that verify receipts and statements; compromised ones are left out."""
    return {
        key.key_id: key.public_key
        for key in keys
        if key.purpose in _PURPOSES and key.state != PublicKey.STATE_COMPROMISED
    }


def jwk_set(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Return the JWK set of those of the vault's public keys that verify receipts and statements."""
    verifying = verifying_keys(keys).items()
    return {"keys": [{**_KIND, **_USE, "kid": name, "x": spell(public)} for name, public in verifying]}


def parse_jwk_set(text: str | bytes) -> dict[str, bytes]:
    """Return the Ed25519 public keys of a JWK set in JSON, 32 bytes each, by their ``kid``.

    Raises:
        InvalidInput: JWK_SET: it is no JWK set, or a key of this kind in it is malformed or there twice.
    """
    try:
        found = json.loads(text)
        keys = found["keys"] if isinstance(found, dict) else None
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise _refused()
        ours = [key for key in keys if all(key.get(name) == value for name, value in _KIND.items())]
        named = {key["kid"]: unspell(key["x"]) for key in ours if _may_verify(key)}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _refused() from None
    well_formed = all(isinstance(name, str) and len(key) == _PUBLIC_KEY_SIZE for name, key in named.items())
    if not well_formed or len(named) < sum(map(_may_verify, ours)):
        raise _refused()
    return named


def _may_verify(key: Mapping[str, Any]) -> bool:
    """Tell whether a key is for verifying EdDSA; what it does not say, it allows (RFC 7517, section 4)."""
    return all(key.get(name, value) == value for name, value in _USE.items())


def _refused() -> InvalidInput:
    message = "this is no JWK set of Ed25519 public keys, each with a kid of its own"
    return InvalidInput(message, reason="JWK_SET")
