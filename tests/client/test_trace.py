import subprocess
import sys

from opentelemetry import trace

from vault.client.trace import trace_metadata
from vault.tracing import Trace, parse


def test_the_current_spans_trace_is_told() -> None:
    span = trace.NonRecordingSpan(
        trace.SpanContext(0xABCDEF, 0x123, is_remote=False, trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED))
    )
    with trace.use_span(span):
        metadata = trace_metadata()
    assert [name for name, _ in metadata] == ["traceparent"]
    assert parse([value for _, value in metadata]) == Trace(f"{0xABCDEF:032x}", f"{0x123:016x}", sampled=True)


def test_nothing_is_told_outside_of_a_span() -> None:
    assert trace_metadata() == ()


def test_the_client_needs_no_opentelemetry() -> None:
    said = "print(trace_metadata(), 'opentelemetry' in sys.modules)"
    script = f"import sys; from vault.client.trace import trace_metadata; {said}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "() False\n"
