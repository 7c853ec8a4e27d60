"""Pages of the List methods."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from vault.policy.call import Call
from vault.service.catalogue import Snapshot
from vault.service.pages import Pager, page_limit
from vault.service.recorder import Recorder

T = TypeVar("T")


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

    def newest(self) -> tuple[int, bytes] | None:
        """Return after which item a list goes on that has the newest first: its time and id; None: the first."""
        return (int.from_bytes(self.cursor[:8], "big"), self.cursor[8:]) if self.cursor else None

    def following_newest(self, items: Sequence[T], place: Callable[[T], tuple[int, bytes]]) -> str:
        """Return the token of the next page of such a list, given each item's time in milliseconds and id."""

        def cursor() -> bytes:
            created_ms, name = place(items[-1])
            return created_ms.to_bytes(8, "big") + name

        return self.following(len(items), cursor)


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
