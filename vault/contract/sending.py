"""Sends the requests of cases: over mutual TLS, with the certificate of the caller that a case names.

1. Callers that TLS must refuse get a connection of their own for each request: otherwise one refusal would
   answer for all that follow.
2. A passed deadline is told to the server as such (``grpc-timeout`` of a nanosecond), so that it is the server
   that has to deal with it.
3. Bytes go out as they are, and come back as they are.
"""

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from vault.contract.callers import REFUSED_BY_TLS, Callers
from vault.contract.case import Case
from vault.contract.judge import OK, Answer

TIMEOUT_SECONDS = 30.0
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)
_PASSED = (("grpc-timeout", "1n"),)


class Sender:
    """Connections to the vault at an address, one for each caller; an asynchronous context manager."""

    def __init__(self, address: str, callers: Callers, server_name: str = "") -> None:
        """Take what connections need; nothing is opened yet.

        Args:
            address: Host and port of the vault.
            callers: The callers' certificates.
            server_name: DNS name in the vault's certificate, where it is not the address's host.
        """
        self._address = address
        self._callers = callers
        self._options: list[tuple[str, str | int]] = list(_OPTIONS)
        if server_name:
            self._options.append(("grpc.ssl_target_name_override", server_name))
        self._channels: dict[str, grpc.aio.Channel] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def send(self, case: Case, body: bytes, *, streams: bool = False) -> Answer:
        """Send a request as a case says, and return what comes back.

        Args:
            case: Tells method, caller, and when to give up.
            body: The request's bytes.
            streams: True where the method answers a stream; its parts are joined.
        """
        if case.caller in REFUSED_BY_TLS:
            async with self._connect(case.caller) as channel:
                return await _ask(channel, case, body, streams=streams)
        if case.caller not in self._channels:
            self._channels[case.caller] = self._connect(case.caller)
        return await _ask(self._channels[case.caller], case, body, streams=streams)

    def _connect(self, caller: str) -> grpc.aio.Channel:
        own = self._callers.certificates[caller]
        credentials = grpc.ssl_channel_credentials(
            self._callers.authority, own and own.private_key, own and own.certificate
        )
        return grpc.aio.secure_channel(self._address, credentials, options=self._options)


async def _ask(channel: grpc.aio.Channel, case: Case, body: bytes, *, streams: bool) -> Answer:
    path = f"/{case.method}"
    make: Any = channel.unary_stream(path) if streams else channel.unary_unary(path)
    call: Any = make(body, metadata=_PASSED) if case.timeout_ms else make(body, timeout=TIMEOUT_SECONDS)
    reading = asyncio.ensure_future(_read(call, streams=streams))
    if case.cancel_ms is not None:
        await asyncio.sleep(case.cancel_ms / 1000)
        call.cancel()
    received = b""
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError, TimeoutError):  # told by the call's status
        received = await asyncio.wait_for(reading, TIMEOUT_SECONDS + 1)
    code = await call.code()
    if code is grpc.StatusCode.OK:
        return Answer(OK, body=received)
    trailing = await call.trailing_metadata() or ()
    metadata = tuple((key, value if isinstance(value, bytes) else value.encode()) for key, value in trailing)
    return Answer(code.name, await call.details() or "", received, metadata)


async def _read(call: Any, *, streams: bool) -> bytes:
    if not streams:
        received: bytes = await call
        return received
    return b"".join([part async for part in call])
