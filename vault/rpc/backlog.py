"""How many calls wait in gRPC's own queue: come, and not handed to the vault yet.

A worker's event loop takes one call a turn from that queue, so under load the calls that wait are there and nowhere
in the vault. gRPC counts the calls that came (its channelz counters, which are not served); less those that it handed
out, the rest waits, or was reset because too many waited. Those that were reset nobody counts, so:

1. The number is never more than the queue holds, and what it is too high by is forgotten as soon as the queue is
   seen empty.
2. It may be too low for a moment, never for long.

gRPC's Python package has the counters for its own channelz service, in a module that is not public; a test holds
that it is there and counts.
"""

import json

from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no stubs

EMPTY_SECONDS = 0.002
"""A queue that is not empty hands out a call well within this time, if the event loop turns meanwhile."""


class Backlog:
    """Counts the calls that wait in the server that was made last."""

    def __init__(self, most: int) -> None:
        """Find the server.

        Args:
            most: Calls that its queue holds at most.
        """
        self._most = most
        self._server = max(int(each["ref"]["serverId"]) for each in _servers())
        self._reset = 0

    def waiting(self, taken: int) -> int:
        """Return how many calls wait.

        Args:
            taken: Calls that gRPC has handed out since it began, of whatever kind.
        """
        left = self._came() - taken
        self._reset = max(self._reset, left - self._most)
        return max(0, left - self._reset)

    def found_empty(self, taken: int) -> None:
        """Take down that no call waits now; ``taken`` as for ``waiting``."""
        self._reset = self._came() - taken

    def _came(self) -> int:
        data = json.loads(cygrpc.channelz_get_server(self._server))["server"]["data"]
        return int(data.get("callsStarted", 0))


def _servers() -> list[dict[str, dict[str, str]]]:
    first, found = 0, []
    while True:
        page = json.loads(cygrpc.channelz_get_servers(first))
        found += page.get("server", [])
        if page.get("end", True) or not page.get("server"):
            return found
        first = int(found[-1]["ref"]["serverId"]) + 1
