"""Pages of the List methods."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from vault.policy.call import Call
from vault.service.catalogue import Snapshot
from vault.service.pages import Pager, page_limit
from vault.service.recorder import Recorder


class ListRequest(Protocol):
    """What the requests of List methods share."""

    page_size: int
    page_token: str


class Page(NamedTuple):
    """The page that was asked for: after which cursor (empty: the first), and how many items."""

    cursor: bytes
    limit: int
    pager: Pager
    snapshot: Snapshot

    def following(self, count: int, cursor: Callable[[], bytes]) -> str:
        """Return the token of the next page, after ``cursor``; empty when this one was not full."""
        return "" if count < self.limit else self.pager.next_token(self.snapshot, cursor())


class Listing:
    """Opens page tokens."""

    def __init__(self, recorder: Recorder, random: Callable[[int], bytes]) -> None:
        self._recorder = recorder
        self._random = random

    async def open(self, call: Call, request: ListRequest, query: tuple[object, ...]) -> Page:
        """Return the page that a request asks for; ``query`` is everything else that it asks.

        Raises:
            InvalidInput: The page token was not made for this query and caller.
        """
        snapshot = self._recorder.catalogue.latest
        if snapshot is None:
            snapshot = await self._recorder.store.read(self._recorder.catalogue.at)
        pager = Pager(call, query, self._random)
        return Page(pager.cursor(snapshot, request.page_token), page_limit(request.page_size), pager, snapshot)
