"""The gRPC server of one worker process.

1. Nothing is served unless the contract is whole and every method has its servicer.
2. Several processes may listen on one port (SO_REUSEPORT).
3. Health (grpc.health.v1) and reflection take a client certificate but no role.
4. Draining says NOT_SERVING first, then takes no new calls and lets those in flight finish.

A request of up to 68 MiB (IssueCards with 1,000 records of 64 KiB, and room) is read into memory before its
caller's role is looked at; what bounds the sum is that callers need a certificate.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

from collections.abc import Callable, Mapping

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from vault.errors import Unavailable
from vault.policy.access import Access
from vault.rpc import contract
from vault.rpc.dispatch import Dispatch, OnRefused
from vault.rpc.tls import TlsFiles

LARGEST_REQUEST_BYTES = 68 * 1024 * 1024
_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", LARGEST_REQUEST_BYTES),
    ("grpc.max_send_message_length", -1),  # answers are bounded by the vault itself
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),  # its default, a minute, holds whatever keepalive_timeout_ms says
    # Clients ask for a sign of life every 10 s while calls are in flight; twice that often is not held
    # against them.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


class _Router(grpc.GenericRpcHandler):
    """Finds a method's handler with one look-up for all services."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler[bytes, bytes]]) -> None:
        self._handlers = dict(handlers)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Return the handler for a call's path; None if it is not ours."""
        return self._handlers.get(handler_call_details.method)


class Server:
    """Serves ``vault.v1`` with health and reflection."""

    def __init__(
        self, servicers: Mapping[str, object], access: Callable[[], Access], on_refused: OnRefused, tls: TlsFiles
    ) -> None:
        """Put the server together; nothing is opened yet. Needs a running event loop.

        Args:
            servicers: By full name of the service, the object that answers its methods.
            access: Returns the access file in force.
            on_refused: Awaited with each refusal and failure before it is answered (see ``rpc.dispatch``).
            tls: The server's files.

        Raises:
            BrokenContract: The protos lack an access rule or a bound.
            MissingServicer: A method has no servicer.
        """
        contract.check_contract()
        handlers = Dispatch(access, on_refused).handlers(contract.methods(), servicers)
        self._tls = tls
        self._health = health.aio.HealthServicer()
        self._names = tuple(service.full_name for service in contract.SERVICES)
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((_Router(handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self, address: str) -> int:
        """Listen and answer calls.

        Args:
            address: Host and port, such as ``127.0.0.1:7443`` or ``[::1]:0``; port 0 lets the system choose.

        Returns:
            The port.

        Raises:
            Unavailable: The address cannot be listened on.
        """
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            port = self._server.add_secure_port(address, self._tls.credentials())
            await self._server.start()
        except RuntimeError as error:
            if "bind" not in str(error):
                raise
            message = f"{address} cannot be listened on; is something else there?"
            raise Unavailable(message, reason="ADDRESS") from None
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, seconds: float) -> None:
        """Say NOT_SERVING, take no new calls, and wait for those in flight up to a time; then cut them off."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)

    async def wait(self) -> None:
        """Wait until the server has stopped."""
        await self._server.wait_for_termination()

    async def _say(self, state: int) -> None:
        for name in ("", *self._names):
            await self._health.set(name, state)
