"""From a call's bytes to its servicer and back: one function per method, put together when the server is built.

In this order, so that nobody learns by asking what they may not ask, nor costs what he may not cost:

1. The gate must let the call in; it sheds what is too much (``rpc.gate``).
2. The principal is read from the certificate; unknown and denied ones are refused.
3. The method's role must be held for some program.
4. The body is read, up to the method's largest legal size (``rpc.intake``). Less than ``least_deadline_ms`` may
   not be left of the caller's deadline: work that nobody waits for is not begun.
5. The bytes must parse, and every field keep its bounds.
6. The role must be held for the request's program or programs. Without a program in the request it must be held
   for every program, unless the method is for holders of the role for any; an empty ``programs`` is left to the
   servicer, which asks the caller's only one.
7. The servicer answers.

Refusals and failures are told to ``on_refused`` before they are answered, all but InvalidInput and Unavailable;
if it fails, the answer is Unavailable. Of an exception that is not the vault's, the caller learns the
correlation id alone; its stack goes to the log, redacted.

What became of each call, and of which trace it is, is told to ``calls`` once.

No interceptors of grpc are used: each costs tens of microseconds a call.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from operator import attrgetter
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.message import DecodeError, Message

from vault import log, status
from vault.errors import IntegrityFailure, InvalidInput, PermissionDenied, Unavailable, VaultError
from vault.model.states import Role
from vault.policy.access import Access, Grants
from vault.policy.call import Call
from vault.rpc.attempt import Attempt
from vault.rpc.bounds import compile_bounds
from vault.rpc.calls import Calls, MethodCalls
from vault.rpc.contract import Method
from vault.rpc.gate import FIRST, Gate, overloaded
from vault.rpc.identity import principal_of
from vault.rpc.intake import Context, Intake
from vault.rpc.limits import ServingLimits
from vault.rpc.sizes import largest_request
from vault.tracing import HEADER
from vault.tracing import parse as parse_trace

OnRefused = Callable[[Call, VaultError], Awaitable[None]]
_UNRECORDED = (InvalidInput, Unavailable)
_log = log.get(__name__)


class MissingServicer(Exception):
    """A method of the contract has nobody to answer it."""


class Dispatch:
    """Makes the handlers of one server."""

    def __init__(  # noqa: PLR0913  what every call passes, each by name
        self,
        access: Callable[[], Access],
        on_refused: OnRefused,
        *,
        limits: ServingLimits | None = None,
        gate: Gate | None = None,
        intake: Intake | None = None,
        calls: Calls | None = None,
    ) -> None:
        """Take what every call needs.

        Args:
            access: Returns the access file in force.
            on_refused: Awaited with each refusal and failure of a caller whose principal is known.
            limits: The process's bounds; the defaults where None.
            gate: Who says how many calls may come in.
            intake: Who reads requests.
            calls: Who is told what became of each call.
        """
        limits = limits or ServingLimits()
        self._access = access
        self._on_refused = on_refused
        self._gate = gate or Gate(limits)
        self._intake = intake or Intake()
        self._calls = calls or Calls()
        self._least_seconds = limits.least_deadline_ms / 1000
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
        # Neither side is given a codec, so that bytes arrive here and leave from here. To gRPC each takes a stream of
        # requests, of which the one is read once it is known that it may come.
        if method.streams:
            return grpc.stream_stream_rpc_method_handler(self._stream(method, answer))
        return grpc.stream_unary_rpc_method_handler(self._unary(method, answer))

    def _unary(
        self, method: Method, answer: Callable[[Call, Any], Awaitable[Message]]
    ) -> Callable[[object, Context], Awaitable[bytes]]:
        admit, gate, calls = self._admission(method), self._gate, self._calls.of(method)
        enter = gate.enter_first if method.role in FIRST else gate.enter

        async def handle(_bodies: object, context: Context) -> bytes:
            attempt = self._attempt(method, context)
            if not enter():
                await self._refuse(attempt, overloaded(), context, calls)
            try:
                request = await admit(attempt, context)
                answered = (await answer(attempt.call(), request)).SerializeToString()
            except asyncio.CancelledError:
                gate.give_up(attempt.began, len(attempt.body))
                calls.end(attempt, _left(context), "")
                raise
            except Exception as error:  # noqa: BLE001  the one place where whatever went wrong becomes a status
                return await self._refuse(attempt, error, context, calls)
            else:
                calls.well(attempt)
                return answered
            finally:
                gate.leave(len(attempt.body))

        return handle

    def _stream(
        self, method: Method, answer: Callable[[Call, Any], AsyncGenerator[Message, None]]
    ) -> Callable[[object, Context], AsyncIterator[bytes]]:
        admit, gate, calls = self._admission(method), self._gate, self._calls.of(method)

        async def handle(_bodies: object, context: Context) -> AsyncIterator[bytes]:
            attempt = self._attempt(method, context)
            if not gate.enter_stream():
                await self._refuse(attempt, overloaded(), context, calls)
            try:
                request = await admit(attempt, context)
                async with aclosing(answer(attempt.call(), request)) as parts:
                    async for part in parts:
                        yield part.SerializeToString()
            except (asyncio.CancelledError, GeneratorExit):
                calls.end(attempt, _left(context), "")
                raise
            except Exception as error:  # noqa: BLE001  as above, for a method that answers a stream
                await self._refuse(attempt, error, context, calls)
            else:
                calls.well(attempt)
            finally:
                gate.leave_stream(len(attempt.body))

        return handle

    def _attempt(self, method: Method, context: Context) -> Attempt:
        sent = [str(value) for name, value in context.invocation_metadata() or () if name == HEADER]
        trace = parse_trace(sent, log.may_hold_code) if sent else None
        return Attempt(method.full_name, f"{self._prefix}-{self._count():x}", trace)

    def _admission(self, method: Method) -> Callable[[Attempt, Context], Awaitable[Any]]:
        """Return the function that lets a call in, or raises: steps 2 to 6 above."""
        access, role, least_seconds = self._access, method.role, self._least_seconds
        read, hold, largest = self._intake.read, self._gate.hold, largest_request(method.request)
        parse: Callable[[bytes], Any] = method.request.FromString
        check_bounds = compile_bounds(method.request)
        check_programs = _program_check(method)
        has_request_id = "request_id" in method.request.DESCRIPTOR.fields_by_name

        async def admit(attempt: Attempt, context: Context) -> Any:
            attempt.principal = principal_of(context.auth_context())
            attempt.grants = grants = _grants(access(), attempt.principal)
            if not grants.holds_any(role):
                raise _role_missing(role)
            attempt.body = body = await read(context, largest)
            hold(len(body))
            left = context.time_remaining()
            if left is not None and left < least_seconds:
                raise _too_late()
            try:
                request = parse(body)
            except DecodeError:
                message = "the request's bytes are not the message that the method takes"
                raise InvalidInput(message, reason="MALFORMED") from None
            check_bounds(request)
            if has_request_id and request.request_id:
                attempt.request_id = bytes.fromhex(request.request_id.replace("-", ""))
            attempt.programs = check_programs(grants, request)
            return request

        return admit

    async def _refuse(self, attempt: Attempt, error: Exception, context: Context, calls: MethodCalls) -> NoReturn:
        refusal = error if isinstance(error, VaultError) else status.internal_error()
        try:
            refusal = await self._recorded(attempt, error, refusal)
        finally:
            calls.end(attempt, status.code_of(refusal), refusal.reason)
        await context.abort_with_status(status.to_status(refusal, attempt.correlation_id))

    async def _recorded(self, attempt: Attempt, error: Exception, refusal: VaultError) -> VaultError:
        """Log what went wrong and put the refusal on record; return what is answered."""
        where = {"method": attempt.method, "correlation_id": attempt.correlation_id, "principal": attempt.principal}
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
                return Unavailable(message, reason="NOT_RECORDED", retry_seconds=1.0)
        return refusal


def _grants(access: Access, principal: str) -> Grants:
    grants = access.grants(principal)
    if grants is None:
        message = "the access file does not name the caller"
        raise PermissionDenied(message, reason="PRINCIPAL_UNKNOWN")
    if grants.denied:
        message = "the caller is denied by the access file"
        raise PermissionDenied(message, reason="PRINCIPAL_DENIED")
    return grants


def _left(context: Context) -> grpc.StatusCode:
    """Return what became of a call whose caller is gone: it cancelled, or its deadline passed."""
    left = context.time_remaining()
    return grpc.StatusCode.CANCELLED if left is None or left > 0 else grpc.StatusCode.DEADLINE_EXCEEDED


def _too_late() -> Unavailable:
    message = "too little is left of the call's deadline; nothing was begun"
    return Unavailable(message, reason="DEADLINE_TOO_SHORT")


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
