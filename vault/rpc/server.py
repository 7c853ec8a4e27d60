"""The gRPC server of one worker process.

1. Nothing is served unless the contract is whole and every method has its servicer.
2. Several processes may listen on one port (SO_REUSEPORT).
3. Health (grpc.health.v1) and reflection take a client certificate but no role.
4. Draining says NOT_SERVING first, then takes no new calls and lets those in flight finish.
5. What one caller or many can take of the process is bounded: see ``rpc.limits``, ``rpc.gate``, ``rpc.intake`` and
   ``rpc.aside``. The bounds are of one process.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from vault.errors import Unavailable
from vault.policy.access import Access
from vault.rpc import contract
from vault.rpc.aside import Aside
from vault.rpc.backlog import Backlog
from vault.rpc.calls import Calls
from vault.rpc.dispatch import Dispatch, OnRefused
from vault.rpc.gate import Gate, Load
from vault.rpc.intake import Intake
from vault.rpc.limits import ServingLimits, server_options
from vault.rpc.memory import give_back
from vault.rpc.scheduling import Scheduling
from vault.rpc.sizes import largest_request
from vault.rpc.tls import TlsFiles

RpcMethod: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"

OWN_QUEUES = "vault.v1.ValidationService"
"""The service that is called most by far: each of its methods waits in a queue of its own in gRPC, so that a flood of
one holds up neither another nor an officer who would freeze a batch. All other services share one queue.

Not a queue for every method: gRPC's Python server waits for all its queues anew for each call, and 60 of them made a
call of ValidateCode cost 55 µs more, a tenth."""


class _Router(grpc.GenericRpcHandler):
    """Finds a method's handler with one look-up for all services that share gRPC's common queue; asked last."""

    def __init__(self, handlers: Mapping[str, RpcMethod], gate: Gate) -> None:
        self._handlers = dict(handlers)
        self._gate = gate

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> RpcMethod | None:
        """Return the handler for a call's path; None if it is not ours."""
        found = self._handlers.get(handler_call_details.method)
        if found is None:
            self._gate.taken += 1  # other calls are counted where they enter
        return found


class Server:
    """Serves ``vault.v1`` with health and reflection."""

    def __init__(  # noqa: PLR0913  what a server is made of, each by name
        self,
        servicers: Mapping[str, object],
        access: Callable[[], Access],
        on_refused: OnRefused,
        tls: TlsFiles,
        *,
        limits: ServingLimits | None = None,
        calls: Calls | None = None,
    ) -> None:
        """Put the server together; nothing is opened yet. Needs a running event loop.

        Args:
            servicers: By full name of the service, the object that answers its methods.
            access: Returns the access file in force.
            on_refused: Awaited with each refusal and failure before it is answered (see ``rpc.dispatch``).
            tls: The server's files.
            limits: The process's bounds; the defaults where None.
            calls: Who is told what became of each call.

        Raises:
            BrokenContract: The protos lack an access rule or a bound.
            MissingServicer: A method has no servicer.
        """
        contract.check_contract()
        limits = limits or ServingLimits()
        served = contract.methods()
        self._gate = Gate(limits)
        self._intake = Intake(self._gate)
        dispatch = Dispatch(access, on_refused, limits=limits, gate=self._gate, intake=self._intake, calls=calls)
        handlers = dispatch.handlers(served, servicers)
        self._tls = tls
        self._health = health.aio.HealthServicer()
        self._names = tuple(service.full_name for service in contract.SERVICES)
        largest = max(largest_request(method.request) for method in served)
        self._server = grpc.aio.server(options=server_options(limits, largest))
        self._backlog = Backlog(limits.waiting_calls)
        aside = Aside(self._server, self._gate)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, aside)
        described = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflection.aio.ReflectionServicer(described), aside)
        self._add(handlers)  # last, as it counts what nobody serves
        self._watching: list[asyncio.Task[None]] = []

    def load(self) -> Load:
        """Return what the process is about."""
        return self._gate.load()

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
        watches = (
            self._gate.watch(self._backlog),
            self._intake.watch(),
            Scheduling().watch(lambda: self._gate.taken),
            give_back(),
        )
        self._watching = [asyncio.create_task(each) for each in watches]
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return port

    async def drain(self, seconds: float) -> None:
        """Say NOT_SERVING, take no new calls, and wait for those in flight up to a time; then cut them off."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(seconds)
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)

    async def wait(self) -> None:
        """Wait until the server has stopped."""
        await self._server.wait_for_termination()

    def _add(self, handlers: Mapping[str, RpcMethod]) -> None:
        """Give the methods of one service queues of their own, and those of all others a common one."""
        common: dict[str, RpcMethod] = {}
        for path, handler in handlers.items():
            service, _, name = path[1:].partition("/")
            if service == OWN_QUEUES:
                self._server.add_registered_method_handlers(service, {name: handler})
            else:
                common[path] = handler
        self._server.add_generic_rpc_handlers((_Router(common, self._gate),))

    async def _say(self, state: int) -> None:
        for name in ("", *self._names):
            await self._health.set(name, state)
