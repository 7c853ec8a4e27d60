import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from vault import log
from vault.codes.format import CodeFormat
from vault.model.states import CheckAlgorithm
from vault.secret import Secret
from vault.v1 import card_service_pb2, issuance_service_pb2, resources_pb2, validation_service_pb2

CODE = "4000001234567899"  # Luhn
DAMM = "57240000000000"
WIDE = "".join(chr(0xFF10 + int(digit)) for digit in CODE)
OTHER = "4000001234567898"


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """The lines that were logged, parsed when asked for."""
    root = logging.getLogger()
    before, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("debug", stream)

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            return (json.loads(line) for line in stream.getvalue().splitlines())

    yield Lines()
    root.handlers[:] = before
    root.setLevel(level)
    logging.raiseExceptions = raises
    logging.captureWarnings(capture=False)
    log.set_formats([])


def logged(lines: list[dict[str, Any]], **fields: object) -> dict[str, Any]:
    log.get("test").info("event", **fields)
    return [*lines][-1]


def test_a_line_has_time_level_event_and_fields(lines: list[dict[str, Any]]) -> None:
    line = logged(lines, count=3, name="x", ok=True, none=None, ratio=0.5)
    time = line.pop("time")
    assert time.endswith("Z")
    assert "T" in time
    assert line == {
        "level": "info", "event": "event", "count": 3, "name": "x", "ok": True, "none": None, "ratio": 0.5
    }  # fmt: skip


def test_levels_below_the_chosen_one_are_left_out(lines: list[dict[str, Any]]) -> None:
    stream = io.StringIO()
    log.configure("warning", stream)
    for level in ("debug", "info", "warning", "error"):
        getattr(log.get("test"), level)(level)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["warning", "error"]


@pytest.mark.parametrize(
    "written",
    [
        CODE,
        f"the code {CODE}!",
        "4000 0012 3456 7899",
        "4000-0012-3456-7899",
        WIDE,
        f"99{CODE}7",
        int(CODE),
        {"deep": [CODE]},
        {CODE: 1},
        (CODE,),
        Exception(CODE),
    ],
)
def test_a_code_of_a_known_format_never_reaches_the_log(lines: list[dict[str, Any]], written: object) -> None:
    text = json.dumps(logged(lines, field=written), ensure_ascii=False)
    assert "[redacted]" in text
    assert "7899" not in text
    assert WIDE[-4:] not in text


def test_other_numbers_stay(lines: list[dict[str, Any]]) -> None:
    line = logged(lines, a=OTHER, b=1234567, c="1234567", d="in 12.5 s", e=2**80)
    assert (line["a"], line["b"], line["c"], line["d"], line["e"]) == (OTHER, 1234567, "1234567", "in 12.5 s", 2**80)


def test_formats_of_programs_are_looked_for_once_they_are_set(lines: list[dict[str, Any]]) -> None:
    form = CodeFormat(14, CheckAlgorithm.DAMM, "57")
    assert logged(lines, field=DAMM[:-1] + "0")["field"] != "[redacted]"
    log.set_formats([form])
    shown = [logged(lines, field=DAMM[:-1] + str(last))["field"] for last in range(10)]
    assert shown.count("[redacted]") == 1
    assert [logged(lines, field="58" + DAMM[2:-1] + str(last))["field"] for last in range(10)].count("[redacted]") == 0
    assert logged(lines, field=CODE)["field"] == "[redacted]"


def test_fields_marked_debug_redact_are_left_out_of_messages(lines: list[dict[str, Any]]) -> None:
    request = validation_service_pb2.ValidateCodeRequest(
        programs=["netcash"], code=resources_pb2.PresentedCode(code=OTHER)
    )
    assert logged(lines, request=request)["request"] == {"programs": ["netcash"], "code": {"code": "[redacted]"}}
    put = card_service_pb2.PutRecordRequest(
        program="netcash", payload=b"private", card=resources_pb2.CardSelector(serial="A")
    )
    assert logged(lines, request=put)["request"] == {
        "program": "netcash", "payload": "[redacted]", "card": {"serial": "A"}
    }  # fmt: skip
    many = issuance_service_pb2.IssueCardsResponse(
        cards=[issuance_service_pb2.IssuedCard(code=OTHER)] * 12, package=b"123"
    )
    shown = logged(lines, answer=many)["answer"]
    assert shown == {"cards": [{"code": "[redacted]"}] * 10 + ["[2 more]"], "package": "[3 bytes]"}


def test_bytes_and_secrets_are_not_shown(lines: list[dict[str, Any]]) -> None:
    line = logged(lines, raw=b"abc", secret=Secret(b"abc"))
    assert (line["raw"], line["secret"]) == ("[3 bytes]", "<Secret>")


def test_exceptions_are_logged_with_their_stack_and_without_secrets(lines: list[dict[str, Any]]) -> None:
    def failing(digest: bytes) -> None:
        try:
            {b"": b""}[digest]
        except KeyError as error:
            message = f"code {CODE}, digest {digest.hex()}"
            raise ValueError(message) from error

    try:
        failing(bytes(range(100, 132)))
    except ValueError as error:
        log.get("test").exception("failed", error, method="m")
    [line] = lines
    assert (line["event"], line["level"], line["method"], line["exception"]) == ("failed", "error", "m", "ValueError")
    assert "in failing" in line["stack"]
    assert "KeyError: [redacted]" in line["stack"]
    for secret in (CODE, bytes(range(100, 132)).hex(), "defghij"):
        assert secret not in line["stack"]


def test_what_other_libraries_log_is_redacted_too(lines: list[dict[str, Any]]) -> None:
    logging.getLogger("grpc").warning("got %s and %r", CODE, b"\x01secret")
    [line] = lines
    assert line["logger"] == "grpc"
    assert line["message"] == "got [redacted] and [redacted]"
