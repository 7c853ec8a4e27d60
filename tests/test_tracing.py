"""Trace Context; the values are those of the W3C Recommendation (level 1, sections 3.2 and 3.2.2.5)."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.collecting import Collector, collector
from vault import log
from vault.errors import FailedPrecondition
from vault.tracing import Served, Trace, Tracer, parse

__all__ = ["collector"]

TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


def test_a_trace_is_read() -> None:
    assert parse([SENT]) == Trace(TRACE_ID, PARENT_ID, sampled=True)
    assert parse([f"00-{TRACE_ID}-{PARENT_ID}-00"]) == Trace(TRACE_ID, PARENT_ID, sampled=False)


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert parse([f"cc-{TRACE_ID}-{PARENT_ID}-01"]) == Trace(TRACE_ID, PARENT_ID, sampled=True)
    assert parse([f"cc-{TRACE_ID}-{PARENT_ID}-01-what-the-future-will-be-like"]) is not None
    assert parse([f"cc-{TRACE_ID}-{PARENT_ID}-01.what-the-future-will-be-like"]) is None


@pytest.mark.parametrize(
    "sent",
    [
        "",
        SENT.upper(),
        SENT + "-",
        SENT + "0",
        " " + SENT,
        SENT[:-1],
        SENT.replace("-", "_"),
        f"ff-{TRACE_ID}-{PARENT_ID}-01",
        f"0-{TRACE_ID}-{PARENT_ID}-01",
        f"00-{'0' * 32}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID[:-1]}-{PARENT_ID}-01",
        f"00-{TRACE_ID}-{PARENT_ID}-0g",
        f"00-{TRACE_ID[:-1]}\u0661-{PARENT_ID}-01",
        SENT + "\n",
    ],
)
def test_what_is_malformed_is_as_if_there_were_none(sent: str) -> None:
    assert parse([sent]) is None


def test_one_that_is_sent_twice_or_not_at_all_is_none() -> None:
    assert parse([]) is None
    assert parse([SENT, SENT]) is None


@given(st.text())
def test_nothing_makes_it_fail(sent: str) -> None:
    assert parse([sent]) is None or len(sent) >= 55


def test_one_that_could_hold_a_code_is_none() -> None:
    code = "4000001234567899"
    assert parse([f"00-{'a' * 16}{code}-{PARENT_ID}-01"], log.may_hold_code) is None
    assert parse([f"00-{TRACE_ID}-{code}-01"], log.may_hold_code) is None
    assert parse([SENT], log.may_hold_code) is not None


def test_a_call_becomes_a_span_of_its_callers_trace(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.tracing.CLOSE_SECONDS", 120.0)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "60")
    tracer = Tracer(collector.endpoint, "1.2.3")
    method = "vault.v1.CardService/GetCard"
    begun, ended = 1_800_000_000_000_000_000, 1_800_000_000_005_000_000
    for sampled in (True, False):
        trace = Trace(TRACE_ID, PARENT_ID, sampled=sampled)
        served = Served(
            trace, method, "c-1", "NOT_FOUND", "CARD_NOT_FOUND", failed=False, began_ns=begun, ended_ns=ended
        )
        tracer.tell(served)
    tracer.close()
    spans = collector.spans()
    assert len(spans) == 1
    span = spans[0]
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, PARENT_ID)
    assert (span.name, span.kind) == (method, 2)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (begun, ended)
    assert {each.key: each.value.string_value for each in span.attributes} == {
        "rpc.system": "grpc",
        "rpc.service": "vault.v1.CardService",
        "rpc.method": "GetCard",
        "rpc.response.status_code": "NOT_FOUND",
        "cardvault.correlation_id": "c-1",
        "cardvault.reason": "CARD_NOT_FOUND",
    }


def test_a_collector_that_is_gone_holds_up_nobody() -> None:
    tracer = Tracer("http://127.0.0.1:9/v1/traces", "1.2.3")
    trace = Trace(TRACE_ID, PARENT_ID, sampled=True)
    method = "vault.v1.CardService/GetCard"
    tracer.tell(Served(trace, method, "c-1", "OK", "", failed=False, began_ns=1, ended_ns=2))
    tracer.close()


def test_without_opentelemetry_the_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(FailedPrecondition, match=r"cardvault\[otel\]"):
        Tracer("http://127.0.0.1:9/v1/traces", "1.2.3")
