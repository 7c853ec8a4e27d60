"""The trace that a caller's OpenTelemetry is in, told to the vault as W3C Trace Context (``traceparent``).

The client does not need OpenTelemetry: nothing is sent where the program does not use it, or is in no span.
"""

import sys


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """Return the metadata that tells a call's trace; none where there is no current span."""
    api = sys.modules.get("opentelemetry.trace")  # a program that is in a span has imported it
    if api is None:
        return ()
    context = api.get_current_span().get_span_context()
    if not context.is_valid:
        return ()
    return (("traceparent", f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"),)
