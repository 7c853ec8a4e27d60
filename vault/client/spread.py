"""One channel over several vaults: every call goes to the next one that answers.

1. Calls go round over the vaults that are connected; one that is not, or has failed a call within the last 2 s,
   gets one only when there is no other.
2. A vault that was away is connected to again by itself, within 3 s of its return.
3. Each vault's certificate is checked against its own host, unless one name is given for all.

A call that was sent when its vault died fails; repeating it, where that is safe, is the caller's
(``client.channel`` does).
"""

import asyncio
import time
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar

import grpc
import grpc.aio

from vault.errors import InvalidInput

T = TypeVar("T")

MOST_ADDRESSES = 64
SETTLE_SECONDS = 0.5
SHUN_SECONDS = 2.0
_LOOK_SECONDS = 0.01
_READY = grpc.ChannelConnectivity.READY
_IDLE = grpc.ChannelConnectivity.IDLE
_CONNECTING = grpc.ChannelConnectivity.CONNECTING


def parse_addresses(text: str) -> list[str]:
    """Return the addresses of ``host:port`` or ``host:port,host:port,…``, where a host may be ``[IPv6]``.

    Raises:
        InvalidInput: One is not a host and a port, or stands there twice, or they are more than 64.
    """
    addresses = [part.strip() for part in text.split(",")]
    for address in addresses:
        host, _, port = address.rpartition(":")
        bare_v6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
        if not host or bare_v6 or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 1 << 16:
            message = f"{address!r} is not a host and a port, such as vault.example.org:7443 or [::1]:7443"
            raise InvalidInput(message, reason="ADDRESS")
    if len(set(addresses)) != len(addresses) or len(addresses) > MOST_ADDRESSES:
        message = f"name each address once, and at most {MOST_ADDRESSES}"
        raise InvalidInput(message, reason="ADDRESS")
    return addresses


class SpreadChannel(grpc.aio.Channel):
    """Several channels as one, for unary requests, which is all that the vault's methods take."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        """Take over open channels, one for each vault; ``close`` closes them."""
        self._channels = channels
        self._turn = 0
        self._shunned_until = [0.0] * len(channels)
        self._places: weakref.WeakKeyDictionary[object, int] = weakref.WeakKeyDictionary()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Close every channel, letting calls in flight finish for up to ``grace`` seconds."""
        await asyncio.gather(*(channel.close(grace) for channel in self._channels))

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the best state of any channel: READY, else CONNECTING, else IDLE, else failing."""
        states = self._states(try_to_connect=try_to_connect)
        return min(states, key=_rank)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until ``get_state`` answers something else."""
        while self.get_state() is last_observed_state:  # noqa: ASYNC110  # no channel of several tells it
            await asyncio.sleep(_LOOK_SECONDS)

    async def channel_ready(self) -> None:
        """Wait until a vault is connected."""
        while self.get_state(try_to_connect=True) is not _READY:  # noqa: ASYNC110  # as above
            await asyncio.sleep(_LOOK_SECONDS)

    async def settle(self, seconds: float = SETTLE_SECONDS) -> None:
        """Wait until a vault is connected, but no longer than some seconds."""
        if self.get_state(try_to_connect=True) is not _READY:
            try:
                await asyncio.wait_for(self.channel_ready(), seconds)
            except TimeoutError:
                return  # the call that follows tells its caller what is wrong

    def shun(self, call: object) -> None:
        """Give the vault that failed this call no more for a while, as long as there is another."""
        place = self._places.get(call)
        if place is not None:
            self._shunned_until[place] = time.monotonic() + SHUN_SECONDS

    def unary_unary(self, method: str, *how: Any, **named: Any) -> Any:
        """Make a callable for a method with one answer."""
        return self._spread([channel.unary_unary(method, *how, **named) for channel in self._channels])

    def unary_stream(self, method: str, *how: Any, **named: Any) -> Any:
        """Make a callable for a method with a stream of answers; a stream stays with its vault."""
        return self._spread([channel.unary_stream(method, *how, **named) for channel in self._channels])

    def stream_unary(self, method: str, *_how: Any, **_named: Any) -> NoReturn:
        """Refuse: no method of the vault takes a stream, by the rules of its protos.

        Raises:
            TypeError: Always.
        """
        message = f"{method}: the vault's methods take one request, not a stream"
        raise TypeError(message)

    stream_stream = stream_unary

    def _spread(self, methods: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        def call(request: Any, **how: Any) -> Any:
            place = self._pick()
            begun = methods[place](request, **how)
            self._places[begun] = place
            return begun

        return call

    def _pick(self) -> int:
        """Return whose turn it is, and have those connect that are not."""
        states = self._states(try_to_connect=True)
        now = time.monotonic()
        count = len(states)
        places = [(self._turn + step) % count for step in range(count)]
        chosen = min(places, key=lambda place: (_rank(states[place]), self._shunned_until[place] > now))
        self._turn = (chosen + 1) % count
        return chosen

    def _states(self, *, try_to_connect: bool) -> list[grpc.ChannelConnectivity]:
        return [channel.get_state(try_to_connect) for channel in self._channels]


def _rank(state: grpc.ChannelConnectivity) -> int:
    order = (_READY, _CONNECTING, _IDLE)
    return order.index(state) if state in order else len(order)
