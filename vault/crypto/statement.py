"""Statements: what the vault signs for others to keep, such as reports and the destruction of keys.

A statement is a compact JWS (RFC 7515), signed with Ed25519 (RFC 8037). Its protected header, in JSON without blanks:
    alg   "EdDSA"
    kid   the key's id as ListPublicKeys gives it, such as "statement-1"
    typ   "vault-<kind>+jwt"
Its payload is one JSON object (RFC 8259, UTF-8), its names sorted.

1. What verifies was signed whole, as one kind of statement, by the key that it names; a statement of another kind, with
   another algorithm or header, by a key that is not given, or changed in any bit, is refused.
2. There is one spelling of a statement, so it can be compared and filed by its bytes.
3. The same claims under the same key give the same statement, so it can be made again.
4. Whatever is wrong, the error is the same.

It does not say when it was signed, save by what is claimed; and whoever verifies has to know the public keys from the
vault itself. It needs nothing of a server.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose

if TYPE_CHECKING:
    from vault.crypto.keyring import Key  # a client that verifies has no use for what a keyring needs

LARGEST_STATEMENT: Final = 16 * 1024 * 1024
"""Characters of a statement at most; whatever is longer is refused unread."""

_KIND: Final = re.compile(r"[a-z]+(-[a-z]+)*")
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_PUBLIC_KEY_SIZE: Final = 32


def key_id(purpose: KeyPurpose, version: int) -> str:
    """Return a key pair's id, as ListPublicKeys gives it."""
    return f"{KeyPurpose(purpose).name.lower()}-{version}"


def sign_statement(key: "Key", kind: str, claims: Mapping[str, Any]) -> str:
    """Sign claims as a statement.

    Args:
        key: A version of the statement key.
        kind: What the statement is: lower-case words joined by hyphens, such as ``destruction``.
        claims: What can be written as JSON; whole numbers of at most 53 bits, so that every reader reads the same.

    Raises:
        ValueError: The key is for something else, the kind is not of this form, or a claim has no JSON.
    """
    if key.purpose != KeyPurpose.STATEMENT:
        message = "statements are signed with the statement key"
        raise ValueError(message)
    if _KIND.fullmatch(kind) is None:
        message = "a kind of statement is lower-case words joined by hyphens"
        raise ValueError(message)
    signed = f"{_header(key_id(key.purpose, key.version), kind)}.{_spell(_json(dict(claims)))}".encode()
    private = crypto_sign_seed_keypair(key.secret.expose())[1]
    signature = crypto_sign(signed, private)[:crypto_sign_BYTES]
    return f"{signed.decode()}.{_spell(signature)}"


def verify_statement(statement: str, public_keys: Mapping[str, bytes], kind: str) -> dict[str, Any]:
    """Return the claims of a statement of one kind.

    Args:
        statement: The compact JWS; blanks around it are refused too.
        public_keys: Ed25519 public keys of 32 bytes by their ids, from whoever can be trusted to know them.
        kind: What kind it must be.

    Raises:
        IntegrityFailure: STATEMENT: it is not a statement of this kind, signed by one of these keys.
    """
    parts = statement.split(".") if len(statement) <= LARGEST_STATEMENT else []
    if len(parts) != 3 or not all(map(_PART.fullmatch, parts)):  # noqa: PLR2004  header, payload, signature
        raise _refused()
    header, payload, signature = parts
    signer = next((name for name in public_keys if _header(name, kind) == header), None)
    # Only a header written as ours is taken, so nothing in it can ask for another algorithm, key or meaning.
    if signer is None or len(public_keys[signer]) != _PUBLIC_KEY_SIZE:
        raise _refused()
    try:
        crypto_sign_open(_read(signature) + f"{header}.{payload}".encode(), public_keys[signer])
    except (CryptoError, ValueError):
        raise _refused() from None
    try:
        content = _read(payload)
        claims = json.loads(content)
        spelled = _json(claims)
    except ValueError:
        raise _refused() from None
    if not isinstance(claims, dict) or spelled != content:
        raise _refused()
    return claims


def _header(name: str, kind: str) -> str:
    return _spell(_json({"alg": "EdDSA", "kid": name, "typ": f"vault-{kind}+jwt"}))


def _json(value: object) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode()


def _spell(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _read(part: str) -> bytes:
    data = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if _spell(data) != part:
        raise _refused()
    return data


def _refused() -> IntegrityFailure:
    message = "this is no statement of the kind asked for, signed by one of the vault's keys"
    return IntegrityFailure(message, reason="STATEMENT")
