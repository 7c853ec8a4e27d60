"""What is told of calls: the log's lines here, the measurements in tests/system/test_operator.py."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from tests.rpc.authority import Authority
from tests.rpc.conftest import ROOT, SHOP, STRANGER, Recorded, Running, serving
from vault import errors, log
from vault.policy.call import Call
from vault.rpc.attempt import Attempt
from vault.rpc.calls import LINES_PER_SECOND, Calls
from vault.rpc.contract import methods
from vault.tracing import Served, Trace, Tracer
from vault.v1 import resources_pb2, validation_service_pb2

CODE = "4000001234567899"
VALIDATE = "vault.v1.ValidationService/ValidateCode"
LIST_PROGRAMS = "vault.v1.AdministrationService/ListPrograms"
TRACE_ID, PARENT_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
METHODS = {method.full_name: method for method in methods()}
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The lines of calls that were logged."""
    root = logging.getLogger()
    before, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", stream)

    def found() -> list[dict[str, Any]]:
        return [line for line in map(json.loads, stream.getvalue().splitlines()) if line["event"] == "call"]

    yield found
    root.handlers[:] = before
    root.setLevel(level)
    logging.raiseExceptions = raises
    logging.captureWarnings(capture=False)


def asking() -> bytes:
    request = validation_service_pb2.ValidateCodeRequest(
        programs=["netcash"], code=resources_pb2.PresentedCode(code=CODE)
    )
    return request.SerializeToString()


async def call(running: Running, caller: Any, path: str, body: bytes, *sent: tuple[str, str]) -> None:
    async with running.channel(caller) as channel:
        invoke: Any = channel.unary_unary(f"/{path}")
        try:
            await invoke(body, metadata=sent, timeout=120)
        except grpc.RpcError:
            return


async def test_what_machines_did_well_is_not_logged(running: Running, lines: Lines) -> None:
    await call(running, SHOP, VALIDATE, asking())
    assert lines() == []
    logging.getLogger().setLevel(logging.DEBUG)
    await call(running, SHOP, VALIDATE, asking())
    assert [line["level"] for line in lines()] == ["debug"]


async def test_every_call_of_staff_is_logged(running: Running, lines: Lines) -> None:
    await call(running, ROOT, LIST_PROGRAMS, b"")
    (line,) = lines()
    assert line["ms"] > 0
    assert line["correlation_id"]
    told = {name: line[name] for name in line if name not in ("ms", "correlation_id", "time")}
    assert told == {
        "level": "info",
        "event": "call",
        "method": LIST_PROGRAMS,
        "principal": ROOT,
        "outcome": "ok",
        "status": "OK",
    }


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.InvalidInput("x", reason="MALFORMED"), ("invalid", "info")),
        (errors.PermissionDenied("x"), ("denied", "info")),
        (errors.NotFound("x"), ("refused", "info")),
        (errors.AlreadyExists("x"), ("refused", "info")),
        (errors.Conflict("x"), ("refused", "info")),
        (errors.FailedPrecondition("x"), ("refused", "info")),
        (errors.Throttled("x"), ("throttled", "info")),
        (errors.Unavailable("x"), ("unavailable", "warning")),
        (errors.IntegrityFailure("x"), ("failed", "warning")),
        (RuntimeError(CODE), ("failed", "warning")),
    ],
)
async def test_what_was_refused_or_failed_is_logged_with_its_reason(
    running: Running, recorded: Recorded, lines: Lines, error: Exception, told: tuple[str, str]
) -> None:
    recorded.raises = error
    await call(running, SHOP, VALIDATE, asking())
    (line,) = lines()
    reason = error.reason if isinstance(error, errors.VaultError) else "INTERNAL"
    assert ((line["outcome"], line["level"]), line["reason"]) == (told, reason)


async def test_a_caller_who_is_let_no_further_is_logged_by_name(running: Running, lines: Lines) -> None:
    await call(running, STRANGER, VALIDATE, asking())
    assert [(line["principal"], line["reason"]) for line in lines()] == [(STRANGER, "PRINCIPAL_UNKNOWN")]


async def test_a_refusal_that_is_not_recorded_is_told_as_what_was_answered(
    running: Running, recorded: Recorded, lines: Lines
) -> None:
    recorded.raises, recorded.hook_raises = errors.NotFound("x"), RuntimeError("x")
    await call(running, SHOP, VALIDATE, asking())
    assert [line["reason"] for line in lines()] == ["NOT_RECORDED"]


class Hanging(Recorded):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.began = asyncio.Event()

    def _unary(self, response: type[Message]) -> Callable[[Call, Any], Any]:
        async def answer(call: Call, request: Any) -> Message:
            self.began.set()
            await asyncio.sleep(600)
            return response()

        return answer


async def leave(channel: grpc.aio.Channel, hanging: Hanging, seconds: float) -> bool:
    """Leave a call after its deadline and, if it was answered to by then, another by hand; return whether it was."""
    invoke: Any = channel.unary_unary(f"/{VALIDATE}")
    with pytest.raises(grpc.RpcError):
        await invoke(asking(), timeout=seconds)
    if not hanging.began.is_set():
        return False
    hanging.began.clear()
    begun = invoke(asking())
    await hanging.began.wait()
    begun.cancel()
    return True


async def test_a_caller_who_is_gone_is_told(tmp_path: Path, authority: Authority, lines: Lines) -> None:
    for seconds in (0.3, 5.0, 50.0):  # a busy machine may take longer than a deadline to begin a call
        hanging, before = Hanging(), len(lines())
        async with serving(tmp_path, authority, hanging) as running, running.channel(SHOP) as channel:
            await channel.channel_ready()
            if await leave(channel, hanging, seconds):
                async with asyncio.timeout(60):
                    while len(lines()) < before + 2:  # noqa: ASYNC110  nobody tells
                        await asyncio.sleep(0.02)
                break
    told = lines()[before:]
    assert [(line["outcome"], line["level"]) for line in told] == [("cancelled", "info")] * 2
    assert {line["status"] for line in told} <= {"DEADLINE_EXCEEDED", "CANCELLED"}
    assert told[1]["status"] == "CANCELLED"


async def test_a_trace_is_logged_and_given_to_the_servicer(running: Running, recorded: Recorded, lines: Lines) -> None:
    sent = ("traceparent", f"00-{TRACE_ID}-{PARENT_ID}-01")
    await call(running, ROOT, LIST_PROGRAMS, b"", sent)
    await call(running, ROOT, LIST_PROGRAMS, b"", ("traceparent", f"00-{TRACE_ID[:16]}{CODE}-{PARENT_ID}-01"))
    first, with_code = lines()
    assert (first["trace_id"], first["parent_id"]) == (TRACE_ID, PARENT_ID)
    assert "trace_id" not in with_code
    assert [call.trace for call, _ in recorded.calls] == [Trace(TRACE_ID, PARENT_ID, sampled=True), None]


class Telling(Tracer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9/v1/traces", "1.2.3")
        self.told: list[Served] = []

    def tell(self, served: Served) -> None:
        self.told.append(served)


def attempt(trace: Trace | None = None) -> Attempt:
    made = Attempt(VALIDATE, "c-1", trace)
    made.principal = SHOP
    return made


def test_what_is_slow_is_a_warning_unless_it_is_a_stream(lines: Lines) -> None:
    calls = Calls(slow_seconds=0.0)
    calls.of(METHODS[VALIDATE]).well(attempt())
    calls.of(METHODS["vault.v1.IssuanceService/ExportBatch"]).well(attempt())
    assert [(line["level"], line["slow"]) for line in lines()] == [("warning", True)]


def test_a_traced_call_is_told_to_the_tracer_with_its_times() -> None:
    tracer = Telling()
    calls = Calls(tracer=tracer)
    trace = Trace(TRACE_ID, PARENT_ID, sampled=True)
    of_method = calls.of(METHODS[VALIDATE])
    of_method.well(attempt())
    of_method.well(attempt(trace))
    of_method.end(attempt(trace), grpc.StatusCode.DATA_LOSS, "ROW_TAG")
    tracer.close()
    assert [(served.status, served.reason, served.failed) for served in tracer.told] == [
        ("OK", "", False),
        ("DATA_LOSS", "ROW_TAG", True),
    ]
    assert all(0 < served.ended_ns - served.began_ns < 60 * 10**9 for served in tracer.told)


def test_too_many_lines_in_a_second_are_counted_instead(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.2]
    monkeypatch.setattr("vault.rpc.calls.time.monotonic", lambda: now[0])
    counted: list[str] = []
    monkeypatch.setattr("vault.rpc.calls.metrics.count", counted.append)
    of_method = Calls().of(METHODS[VALIDATE])
    for _ in range(LINES_PER_SECOND + 50):
        of_method.end(attempt(), grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")
    assert len(lines()) == LINES_PER_SECOND
    assert counted == ["calls_not_logged"] * 50
    now[0] = 101.0
    of_method.end(attempt(), grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")
    assert len(lines()) == LINES_PER_SECOND + 1
