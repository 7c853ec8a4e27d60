"""The keyed chain over a writer's audit events.

Link, 32 bytes: HMAC-SHA-256 under the audit chain's key over
    label           19   "cardvault.v1.chain" and a zero byte
    previous link   32   ``GENESIS`` for a writer's first event
    event's length   4   big-endian
    event

1. An event changed, taken out, put in or moved within a chain makes every later link wrong, and without the key
   nobody can make them right.

It does not notice the end of a chain, or all of it, being cut off: later signed checkpoints do.
"""

from typing import Final

from vault.crypto.primitives import hmac_sha256
from vault.secret import Secret

LINK_SIZE: Final = 32
GENESIS: Final = bytes(LINK_SIZE)
"""What comes before a writer's first event."""

_LABEL: Final = b"cardvault.v1.chain\x00"


def advance(key: Secret, previous: bytes, event: bytes) -> bytes:
    """Return the link of an event (less than 2^32 bytes) that follows a link of 32 bytes.

    Raises:
        ValueError: ``previous`` is no link.
    """
    if len(previous) != LINK_SIZE:
        message = f"a link has {LINK_SIZE} bytes"
        raise ValueError(message)
    return hmac_sha256(key.expose(), _LABEL + previous + len(event).to_bytes(4, "big") + event)
