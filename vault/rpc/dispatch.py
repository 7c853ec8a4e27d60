"""From a call's bytes to its servicer and back: one function per method, put together when the server is built.

In this order, so that nobody learns by asking what they may not ask:

1. The principal is read from the certificate; unknown and denied ones are refused.
2. The method's role must be held for some program.
3. The bytes must parse, and every field keep its bounds.
4. The role must be held for the request's program or programs. Without a program in the request it must be held
   for every program, unless the method is for holders of the role for any; an empty ``programs`` is left to the
   servicer, which asks the caller's only one.
5. The servicer answers.

Refusals and failures are told to ``on_refused`` before they are answered, all but InvalidInput and Unavailable;
if it fails, the answer is Unavailable. Of an exception that is not the vault's, the caller learns the
correlation id alone; its stack goes to the log, redacted.

No interceptors of grpc are used: each costs tens of microseconds a call.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from operator import attrgetter
from typing import Any, NoReturn, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from vault import log, status
from vault.errors import IntegrityFailure, InvalidInput, PermissionDenied, Unavailable, VaultError
from vault.model.states import Role
from vault.policy.access import NO_GRANTS, Access, Grants
from vault.policy.call import Call
from vault.rpc.bounds import compile_bounds
from vault.rpc.contract import Method
from vault.rpc.identity import principal_of

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
OnRefused = Callable[[Call, VaultError], Awaitable[None]]
_UNRECORDED = (InvalidInput, Unavailable)
_log = log.get(__name__)


class MissingServicer(Exception):
    """A method of the contract has nobody to answer it."""


class _Attempt:
    """A call while it is being admitted: what is known of it so far."""

    __slots__ = ("body", "correlation_id", "grants", "method", "principal", "programs", "request_id")

    def __init__(self, method: str, body: bytes, correlation_id: str) -> None:
        self.method = method
        self.body = body
        self.correlation_id = correlation_id
        self.principal = ""
        self.grants = NO_GRANTS
        self.request_id: bytes | None = None
        self.programs: tuple[str, ...] = ()

    def call(self) -> Call:
        return Call(
            self.principal, self.grants, self.method, self.correlation_id, self.request_id, self.body, self.programs
        )


class Dispatch:
    """Makes the handlers of one server."""

    def __init__(self, access: Callable[[], Access], on_refused: OnRefused) -> None:
        """Take what every call needs.

        Args:
            access: Returns the access file in force.
            on_refused: Awaited with each refusal and failure of a caller whose principal is known.
        """
        self._access = access
        self._on_refused = on_refused
        self._prefix = os.urandom(6).hex()
        self._count = itertools.count(1).__next__

    def handlers(
        self, methods: list[Method], servicers: Mapping[str, object]
    ) -> dict[str, grpc.RpcMethodHandler[bytes, bytes]]:
        """Return the handler of each method by its path.

        Args:
            methods: What is served.
            servicers: By full name of the service, the object whose methods, named as the protos name them,
                answer.

        Raises:
            MissingServicer: A method has no servicer, or a servicer is for no service.
        """
        strangers = servicers.keys() - {method.service for method in methods}
        if strangers:
            message = f"there is no service {min(strangers)}"
            raise MissingServicer(message)
        return {f"/{method.full_name}": self._handler(method, servicers.get(method.service)) for method in methods}

    def _handler(self, method: Method, servicer: object) -> grpc.RpcMethodHandler[bytes, bytes]:
        answer = getattr(servicer, method.name, None)
        if not callable(answer):
            message = f"no servicer answers {method.full_name}"
            raise MissingServicer(message)
        # Neither side is given a codec, so that bytes arrive here and leave from here.
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, answer))
        return grpc.unary_unary_rpc_method_handler(self._unary(method, answer))

    def _unary(
        self, method: Method, answer: Callable[[Call, Any], Awaitable[Message]]
    ) -> Callable[[bytes, Context], Awaitable[bytes]]:
        admit = self._admission(method)

        async def handle(body: bytes, context: Context) -> bytes:
            attempt = self._attempt(method, body)
            try:
                request = admit(attempt, context)
                return (await answer(attempt.call(), request)).SerializeToString()
            except Exception as error:  # noqa: BLE001  the one place where whatever went wrong becomes a status
                return await self._refuse(attempt, error, context)

        return handle

    def _stream(
        self, method: Method, answer: Callable[[Call, Any], AsyncGenerator[Message, None]]
    ) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
        admit = self._admission(method)

        async def handle(body: bytes, context: Context) -> AsyncIterator[bytes]:
            attempt = self._attempt(method, body)
            try:
                request = admit(attempt, context)
                async with aclosing(answer(attempt.call(), request)) as parts:
                    async for part in parts:
                        yield part.SerializeToString()
            except Exception as error:  # noqa: BLE001  as above, for a method that answers a stream
                await self._refuse(attempt, error, context)

        return handle

    def _attempt(self, method: Method, body: bytes) -> _Attempt:
        return _Attempt(method.full_name, body, f"{self._prefix}-{self._count():x}")

    def _admission(self, method: Method) -> Callable[[_Attempt, Context], Any]:
        """Return the function that lets a call in, or raises: steps 1 to 4 above."""
        access, role = self._access, method.role
        read: Callable[[bytes], Any] = method.request.FromString
        check_bounds = compile_bounds(method.request)
        check_programs = _program_check(method)
        has_request_id = "request_id" in method.request.DESCRIPTOR.fields_by_name

        def admit(attempt: _Attempt, context: Context) -> Any:
            attempt.principal = principal_of(context.auth_context())
            attempt.grants = grants = _grants(access(), attempt.principal)
            if not grants.holds_any(role):
                raise _role_missing(role)
            try:
                request = read(attempt.body)
            except DecodeError:
                message = "the request's bytes are not the message that the method takes"
                raise InvalidInput(message, reason="MALFORMED") from None
            check_bounds(request)
            if has_request_id and request.request_id:
                attempt.request_id = bytes.fromhex(request.request_id.replace("-", ""))
            attempt.programs = check_programs(grants, request)
            return request

        return admit

    async def _refuse(self, attempt: _Attempt, error: Exception, context: Context) -> NoReturn:
        where = {"method": attempt.method, "correlation_id": attempt.correlation_id, "principal": attempt.principal}
        refusal = error if isinstance(error, VaultError) else status.internal_error()
        if refusal is not error or type(error) is VaultError:
            _log.exception("call_failed", error, **where)
        elif isinstance(error, IntegrityFailure):
            _log.error("integrity_failure", problem=error.message, **where)
        if attempt.principal and not isinstance(refusal, _UNRECORDED):
            try:
                await self._on_refused(attempt.call(), refusal)
            except Exception as failure:  # noqa: BLE001  whatever it is, what is not on record is not answered
                _log.exception("refusal_not_recorded", failure, **where)
                message = "the answer could not be put on record"
                refusal = Unavailable(message, reason="NOT_RECORDED", retry_seconds=1.0)
        await context.abort_with_status(status.to_status(refusal, attempt.correlation_id))


def _grants(access: Access, principal: str) -> Grants:
    grants = access.grants(principal)
    if grants is None:
        message = "the access file does not name the caller"
        raise PermissionDenied(message, reason="PRINCIPAL_UNKNOWN")
    if grants.denied:
        message = "the caller is denied by the access file"
        raise PermissionDenied(message, reason="PRINCIPAL_DENIED")
    return grants


def _role_missing(role: Role) -> PermissionDenied:
    name = role.name.lower()
    message = f"the caller does not hold the role {name} for what it asks"
    return PermissionDenied(message, reason="ROLE_MISSING", metadata={"role": name})


def _program_check(method: Method) -> Callable[[Grants, Any], tuple[str, ...]]:
    """Return the check that the role is held for the programs which the request names, which it returns."""
    role, asked = method.role, _programs_asked(method)

    def check(grants: Grants, request: Any) -> tuple[str, ...]:
        programs = tuple(asked(request))
        for program in programs:
            if not grants.holds(role, program):
                raise _role_missing(role)
        return programs

    return check


def _programs_asked(method: Method) -> Callable[[Any], Iterable[str]]:
    """Return the function that reads from a request the programs for which the role must be held, "" for all."""
    fields = method.request.DESCRIPTOR.fields_by_name
    if method.any_program:
        return lambda _request: ()
    if "program" in fields:
        return lambda request: (request.program,)
    if "programs" in fields:
        return attrgetter("programs")
    return lambda _request: ("",)
