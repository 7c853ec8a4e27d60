"""Page tokens: where a list goes on, sealed.

Format, in base64url without padding (RFC 4648, section 5):
    format       1   0x01
    key version  4   big-endian
    nonce       12   random
    ciphertext       the cursor, as long as it is
    tag         16   AES-256-GCM
    associated data: the first five bytes, then ``encoding`` of label "cardvault.v1.page" and purpose and query

1. A token tells its holder nothing, and cannot be made, changed or used for another query than its own.
2. There is one spelling of a token; whatever is wrong with one, the error is the same.

One key may seal 2^32 tokens (NIST SP 800-38D, section 8.3). A token does not expire and is no permission: the
caller's rights are checked on every page.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from vault.crypto.encoding import encode
from vault.crypto.primitives import NONCE_SIZE, TAG_SIZE, GcmKey, Random
from vault.errors import IntegrityFailure, InvalidInput
from vault.secret import Secret

_LABEL: Final = "cardvault.v1.page"
_FORMAT: Final = 1
_HEAD_SIZE: Final = 5
_BODY: Final = _HEAD_SIZE + NONCE_SIZE


def _bound(head: bytes, purpose_and_query: bytes) -> bytes:
    return head + encode((_LABEL, purpose_and_query))


def seal_page(key: Secret, version: int, purpose_and_query: bytes, cursor: bytes, random: Random) -> str:
    """Return the token of a cursor for one purpose and query.

    Args:
        key: The page token key, 32 bytes.
        version: The key's version.
        purpose_and_query: What the token may be used for; the caller makes it injective.
        cursor: Where the list goes on.
        random: Source of the nonce.
    """
    head = bytes((_FORMAT,)) + version.to_bytes(4, "big")
    nonce = random(NONCE_SIZE)
    sealed = GcmKey(key.expose()).seal(nonce, cursor, _bound(head, purpose_and_query))
    return _spell(head + nonce + sealed)


def open_page(keys: Mapping[int, Secret], text: str, purpose_and_query: bytes) -> bytes:
    """Return the cursor of a token that was made for this purpose and query.

    Raises:
        InvalidInput: PAGE_TOKEN, field ``page_token``: it was not, or was changed since.
    """
    try:
        blob = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise _refused() from None
    key = keys.get(int.from_bytes(blob[1:_HEAD_SIZE], "big"))
    # Decoding passes over foreign characters and spare bits, so only a token spelled as we spell it counts.
    if key is None or len(blob) < _BODY + TAG_SIZE or blob[0] != _FORMAT or _spell(blob) != text:
        raise _refused()
    bound = _bound(blob[:_HEAD_SIZE], purpose_and_query)
    try:
        return GcmKey(key.expose()).open(blob[_HEAD_SIZE:_BODY], blob[_BODY:], bound)
    except IntegrityFailure:
        raise _refused() from None


def _spell(blob: bytes) -> str:
    return urlsafe_b64encode(blob).rstrip(b"=").decode()


def _refused() -> InvalidInput:
    message = "page_token was not made by the vault for this query; begin with the first page"
    return InvalidInput(message, reason="PAGE_TOKEN", field="page_token")
