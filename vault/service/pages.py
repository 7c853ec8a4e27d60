"""Pages: how many items, and the page token that stands for where the next one begins.

A token is encrypted and bound to the method, the principal and the query, so it says nothing and works nowhere else.
"""

from collections.abc import Callable

from vault.crypto.pagetoken import open_page, seal_page
from vault.model.states import KeyPurpose
from vault.policy.call import Call
from vault.service.catalogue import Snapshot

DEFAULT_SIZE = 100
MAX_SIZE = 1000


class Pager:
    """Opens and seals page tokens of one query."""

    def __init__(self, call: Call, query: tuple[object, ...], random: Callable[[int], bytes]) -> None:
        self._bound = "\0".join((call.method, call.principal, *map(repr, query))).encode()
        self._random = random

    def cursor(self, snapshot: Snapshot, page_token: str) -> bytes:
        """Return what ``next_token`` was given; empty for the first page.

        Raises:
            InvalidInput: The token was not made for this query and caller.
        """
        if not page_token:
            return b""
        keys = {key.version: key.secret for key in snapshot.keyring.versions(KeyPurpose.PAGE_TOKEN, "").values()}
        return open_page(keys, page_token, self._bound)

    def next_token(self, snapshot: Snapshot, cursor: bytes) -> str:
        """Return the token of the page that begins after a cursor."""
        key = snapshot.keyring.active(KeyPurpose.PAGE_TOKEN, "")
        return seal_page(key.secret, key.version, self._bound, cursor, self._random)


def page_limit(page_size: int) -> int:
    """Return the number of items of a page: 100 where none is asked, never more than 1,000."""
    return min(page_size or DEFAULT_SIZE, MAX_SIZE)
