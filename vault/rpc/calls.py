"""What is told of each call once it is answered: a measurement, a line in the log, a span where it is traced.

1. Each call that reached a method is measured once, by method and class of outcome, whatever became of it.
2. Its line tells who asked, what, how long it took, the outcome and the correlation id; nothing of the request.
3. Lines of calls that failed or were slow are warnings. Those that were refused, and those of staff, are
   information; those of machines that went well are for debugging, so that millions of validations drown
   nothing.
4. A process writes at most ``LINES_PER_SECOND`` such lines; how many were left out is counted and logged.

A call that gRPC itself refuses (no such method, too large a message) does not get here.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import grpc

from vault import log, metrics
from vault.model.states import Role
from vault.rpc.attempt import Attempt
from vault.rpc.contract import Method
from vault.tracing import Served, Tracer

LINES_PER_SECOND: Final = 100
SLOW_SECONDS: Final = 1.0

STAFF: Final = frozenset({Role.KEEPER, Role.REVEALER, Role.OFFICER, Role.OPERATOR, Role.AUDITOR})
"""Roles whose every call is logged: people's, and what acts in their place."""

_OUTCOMES: Mapping[grpc.StatusCode, str] = MappingProxyType(
    {
        grpc.StatusCode.OK: "ok",
        grpc.StatusCode.INVALID_ARGUMENT: "invalid",
        grpc.StatusCode.UNAUTHENTICATED: "denied",
        grpc.StatusCode.PERMISSION_DENIED: "denied",
        grpc.StatusCode.NOT_FOUND: "refused",
        grpc.StatusCode.ALREADY_EXISTS: "refused",
        grpc.StatusCode.ABORTED: "refused",
        grpc.StatusCode.FAILED_PRECONDITION: "refused",
        grpc.StatusCode.RESOURCE_EXHAUSTED: "throttled",
        grpc.StatusCode.UNAVAILABLE: "unavailable",
        grpc.StatusCode.DEADLINE_EXCEEDED: "cancelled",
        grpc.StatusCode.CANCELLED: "cancelled",
        grpc.StatusCode.INTERNAL: "failed",
        grpc.StatusCode.DATA_LOSS: "failed",
    }
)
_WRONG: Final = frozenset({"failed", "unavailable"})

_log = log.get(__name__)


class Calls:
    """The calls of one process."""

    def __init__(self, slow_seconds: float = SLOW_SECONDS, tracer: Tracer | None = None) -> None:
        """Take ``slow_seconds`` as what is slow, and tell ``tracer`` of traced calls."""
        self.slow_seconds = slow_seconds
        self.tracer = tracer
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def of(self, method: Method) -> "MethodCalls":
        """Return what is told of the calls of one method."""
        return MethodCalls(self, method)

    def may_log(self) -> bool:
        """Whether another line fits into this second."""
        now = int(time.monotonic())
        if now != self._second:
            left_out, self._second, self._lines, self._left_out = self._left_out, now, 0, 0
            if left_out:
                _log.warning("calls_not_logged", calls=left_out)
        if self._lines < LINES_PER_SECOND:
            self._lines += 1
            return True
        self._left_out += 1
        metrics.count("calls_not_logged")
        return False


class MethodCalls:
    """The calls of one method."""

    def __init__(self, calls: Calls, method: Method) -> None:
        self._calls = calls
        self._method = method.full_name
        self._streams = method.streams
        self._staff = method.role in STAFF
        self._name = method.name
        self._took: dict[str, Callable[[float], None]] = {}

    def well(self, attempt: Attempt) -> None:
        """Tell of a call that went well."""
        seconds = time.perf_counter() - attempt.began
        self._measure("ok", seconds)
        if self._staff or attempt.trace is not None or seconds >= self._calls.slow_seconds or _log.debugs():
            self._tell(attempt, seconds, grpc.StatusCode.OK, "")

    def end(self, attempt: Attempt, code: grpc.StatusCode, reason: str) -> None:
        """Tell of a call that did not go well, by the status that is answered and its reason."""
        seconds = time.perf_counter() - attempt.began
        self._measure(_OUTCOMES[code], seconds)
        self._tell(attempt, seconds, code, reason)

    def _measure(self, outcome: str, seconds: float) -> None:
        add = self._took.get(outcome)
        if add is None:  # what never happens takes no room
            add = self._took[outcome] = metrics.bound("call_seconds", method=self._name, outcome=outcome).add
        add(seconds)

    def _tell(self, attempt: Attempt, seconds: float, code: grpc.StatusCode, reason: str) -> None:
        outcome, trace = _OUTCOMES[code], attempt.trace
        wrong = outcome in _WRONG
        slow = seconds >= self._calls.slow_seconds and not self._streams
        if trace is not None and self._calls.tracer is not None:
            ended_ns = time.time_ns()
            served = Served(
                trace=trace,
                method=self._method,
                correlation_id=attempt.correlation_id,
                status=code.name,
                reason=reason,
                failed=wrong,
                began_ns=ended_ns - round(seconds * 1e9),
                ended_ns=ended_ns,
            )
            self._calls.tracer.tell(served)
        warn, tell = wrong or slow, self._staff or outcome != "ok"
        if not (warn or tell or _log.debugs()) or not self._calls.may_log():
            return
        line: dict[str, object] = {
            "method": self._method,
            "principal": attempt.principal,
            "outcome": outcome,
            "status": code.name,
            "ms": round(seconds * 1000, 3),
            "correlation_id": attempt.correlation_id,
        }
        if reason:
            line["reason"] = reason
        if slow:
            line["slow"] = True
        if trace is not None:
            line |= {"trace_id": trace.trace_id, "parent_id": trace.parent_id}
        if warn:
            _log.warning("call", **line)
        elif tell:
            _log.info("call", **line)
        else:
            _log.debug("call", **line)
