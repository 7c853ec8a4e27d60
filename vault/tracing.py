"""Traces: which one a call belongs to (W3C Trace Context level 1), and telling OpenTelemetry of it.

1. A ``traceparent`` is read strictly; one that is malformed is as if there were none, and no call fails for it.
   Of several gRPC hands on one.
2. One in which a run of digits could be a code is as if there were none, so that nobody's mistake puts a code
   into logs, audit or another system. Of random ids that takes one in a few thousand.
3. What a collector is told of a call is its method, status, reason, correlation id and times: nothing of its
   request.
4. A collector that is slow or gone holds up no call: spans wait in a bounded queue and are dropped beyond it.

Only calls whose caller records its trace are told of, so a shop that traces one in a thousand decides for both.
"""

import re
import threading
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final, NamedTuple

from vault.errors import FailedPrecondition

HEADER: Final = "traceparent"
CLOSE_SECONDS: Final = 3.0
"""How long what waits for the collector may take when the process ends."""

_OPENTELEMETRY: Final = (
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk.trace.export",
    "opentelemetry.sdk.trace",
    "opentelemetry.sdk.resources",
    "opentelemetry.trace",
)
_SAMPLED: Final = 1
_LENGTH: Final = 55
_DIGITS: Final = re.compile(r"[0-9]{8}")  # no code is shorter
_FORM: Final = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class Trace(NamedTuple):
    """A trace and the caller's span in it, in lower-case hexadecimal digits: 32 and 16 of them."""

    trace_id: str
    parent_id: str
    sampled: bool


def parse(sent: Iterable[str], may_hold_code: Callable[[str], bool] = lambda _: False) -> Trace | None:
    """Return the trace that a call's ``traceparent`` names; None where there is none.

    Args:
        sent: The values of that name in the call's metadata.
        may_hold_code: Whether a text has digits that could be a code.
    """
    values = list(sent)
    if len(values) != 1:
        return None
    value = values[0]
    found = _FORM.match(value)
    # A later version may add to the end; version 00 is all that it is (section 2.2.2 of the Recommendation).
    if found is None or (len(value) != _LENGTH and (found[1] == "00" or value[_LENGTH] != "-")):
        return None
    if any(_DIGITS.search(each) and may_hold_code(each) for each in found.group(2, 3)):
        return None
    return Trace(found[2], found[3], bool(int(found[4], 16) & _SAMPLED))


class Served(NamedTuple):
    """A call that was answered; times in nanoseconds since 1970-01-01T00:00:00Z."""

    trace: Trace
    method: str
    correlation_id: str
    status: str
    reason: str
    failed: bool
    began_ns: int
    ended_ns: int


def check_installed() -> None:
    """Check that OpenTelemetry is there.

    Raises:
        FailedPrecondition: NOT_INSTALLED: it is not.
    """
    try:
        for name in _OPENTELEMETRY:
            import_module(name)
    except ModuleNotFoundError:
        message = "operations.trace_endpoint is set, and OpenTelemetry is missing: pip install 'cardvault[otel]'"
        raise FailedPrecondition(message, reason="NOT_INSTALLED") from None


class Tracer:
    """Tells a collector of calls."""

    def __init__(self, endpoint: str, release: str) -> None:
        """Start the thread that exports.

        Args:
            endpoint: The collector's URL for OTLP over HTTP.
            release: The release that runs.

        Raises:
            FailedPrecondition: NOT_INSTALLED: OpenTelemetry is not installed.
        """
        check_installed()
        exporter, export, sdk, resources, self._api = map(import_module, _OPENTELEMETRY)
        resource = resources.Resource.create({"service.name": "cardvault", "service.version": release})
        self._provider: Any = sdk.TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(export.BatchSpanProcessor(exporter.OTLPSpanExporter(endpoint=endpoint)))
        self._tracer: Any = self._provider.get_tracer("vault.rpc")

    def tell(self, served: Served) -> None:
        """Export a call's span, if its caller records the trace."""
        if not served.trace.sampled:
            return
        api = self._api
        parent = api.SpanContext(
            int(served.trace.trace_id, 16),
            int(served.trace.parent_id, 16),
            is_remote=True,
            trace_flags=api.TraceFlags(_SAMPLED),
        )
        service, _, method = served.method.partition("/")
        span = self._tracer.start_span(
            served.method,
            context=api.set_span_in_context(api.NonRecordingSpan(parent)),
            kind=api.SpanKind.SERVER,
            start_time=served.began_ns,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": service,
                "rpc.method": method,
                "rpc.response.status_code": served.status,
                "cardvault.correlation_id": served.correlation_id,
                "cardvault.reason": served.reason,
            },
        )
        if served.failed:
            span.set_status(api.StatusCode.ERROR)
        span.end(end_time=served.ended_ns)

    def close(self) -> None:
        """Send what waits, for ``CLOSE_SECONDS`` at most."""
        sending = threading.Thread(target=self._provider.shutdown, name="tracer-close", daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)
