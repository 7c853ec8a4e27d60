"""A call while it is being admitted: what is known of it so far."""

import time

from vault.policy.access import NO_GRANTS
from vault.policy.call import Call
from vault.tracing import Trace


class Attempt:
    """A call, from the moment it reaches its method; ``began`` is of ``time.perf_counter``."""

    __slots__ = ("began", "body", "correlation_id", "grants", "method", "principal", "programs", "request_id", "trace")

    def __init__(self, method: str, correlation_id: str, trace: Trace | None = None) -> None:
        self.method = method
        self.body = b""
        self.correlation_id = correlation_id
        self.trace = trace
        self.began = time.perf_counter()
        self.principal = ""
        self.grants = NO_GRANTS
        self.request_id: bytes | None = None
        self.programs: tuple[str, ...] = ()

    def call(self) -> Call:
        """Return the call as its servicer gets it."""
        return Call(
            self.principal,
            self.grants,
            self.method,
            self.correlation_id,
            self.request_id,
            self.body,
            self.programs,
            self.trace,
        )
