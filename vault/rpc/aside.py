"""What is served beside the vault's own services: health and reflection, outside of the gate.

1. A health check is never shed, so a vault under load is not taken for a dead one and restarted. Checks wait in a
   queue of their own, which is served in turn with the others.
2. Streams (Watch, reflection) are at most ``MOST_STREAMS`` in one process; those beyond are shed with UNAVAILABLE.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import grpc
import grpc.aio

from vault import status
from vault.rpc.gate import Gate, overloaded

MOST_STREAMS = 2048

Answer: TypeAlias = "Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Any]"
RpcMethod: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Aside:
    """Takes registrations that are meant for a server, and passes them on with its bounds and counted."""

    def __init__(self, server: grpc.aio.Server, gate: Gate) -> None:
        """Take the server, and the gate that is told of each call."""
        self._server = server
        self._gate = gate
        self._streams = 0

    def add_generic_rpc_handlers(self, generic_rpc_handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """Take nothing: every service is registered by its methods as well."""

    def add_registered_method_handlers(self, service: str, method_handlers: Mapping[str, RpcMethod]) -> None:
        """Take a service's methods: those that answer once get a queue of their own, streams share the common one."""
        bounded = {name: self._bounded(method) for name, method in method_handlers.items()}
        own = {name: method for name, method in bounded.items() if not method.response_streaming}
        self._server.add_registered_method_handlers(service, own)
        common = {name: method for name, method in bounded.items() if name not in own}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, common),))

    def _bounded(self, method: Any) -> RpcMethod:
        codecs = (method.request_deserializer, method.response_serializer)
        if method.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._call(method.unary_unary), *codecs)
        if method.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._stream(method.unary_stream), *codecs)
        return grpc.stream_stream_rpc_method_handler(self._stream(method.stream_stream), *codecs)

    def _call(self, answer: Answer) -> Answer:
        async def counted(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._gate.taken += 1
            return await answer(request, context)

        return counted

    def _stream(self, answer: Answer) -> Callable[..., Any]:
        async def bounded(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            self._gate.taken += 1
            if self._streams >= MOST_STREAMS:
                await context.abort_with_status(status.to_status(overloaded(), ""))
            self._streams += 1
            try:
                # Of the two ways to answer a stream, health writes its answers and reflection yields them.
                answering = answer(request, context)
                if isinstance(answering, AsyncIterator):
                    async for part in answering:
                        yield part
                else:
                    await answering
            finally:
                self._streams -= 1

        return bounded
