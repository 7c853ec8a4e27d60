"""The keyed MAC of a request's body, by which a retry is told from another request under the same id.

MAC, 32 bytes: HMAC-SHA-256 under the request key over ``encoding`` of
    label    "cardvault.v1.body"
    method   the method's full name
    body     the bytes as received

1. Without the key it tells nothing of the body, so a code in a body cannot be tried against the stored MAC.
2. Two encodings of one message are two bodies: a client that retries sends the same bytes.
"""

from collections.abc import Sequence
from typing import Final

from vault.crypto.columns import encode_rows
from vault.crypto.encoding import encode
from vault.crypto.primitives import hmac_sha256, hmac_sha256_many
from vault.secret import Secret

_LABEL: Final = "cardvault.v1.body"
_START: Final = encode((_LABEL,))


def body_mac(key: Secret, method: str, body: bytes) -> bytes:
    """Return the MAC of a method's name and a body's received bytes."""
    return hmac_sha256(key.expose(), encode((_LABEL, method, body)))


def body_macs(key: Secret, requests: Sequence[tuple[str, bytes]]) -> list[bytes]:
    """Return the MAC of each request's method and body, in order, in less time than one by one."""
    return hmac_sha256_many(key.expose(), encode_rows(_START, requests))
