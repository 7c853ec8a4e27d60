"""The sample's HTTP listener: who is answered, and what it writes down."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse

import pytest

from vault.cli.edge.listener import LARGEST_BODY, Answer, Listener
from vault.cli.edge.relaying import answered, guarded
from vault.cli.edge.submitted import parse
from vault.errors import InvalidInput, Unavailable

SECRET = "4000001234567899"
SENT = {"sealed": "AAAA", "requestId": "00000000-0000-4000-8000-000000000000"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async def echo(body: bytes) -> Answer:
        return answered({"size": len(parse(body).sealed)})

    async def away(_body: bytes) -> Answer:
        message = "away"
        raise Unavailable(message, reason="LEDGER")

    one = Listener({("POST", "/echo"): guarded(echo), ("GET", "/away"): guarded(away)})
    yield one
    one.stop()


async def ask(
    listener: Listener, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = {}
) -> tuple[HTTPResponse, bytes]:
    def within() -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(listener.address, timeout=120)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    return await asyncio.to_thread(within)


async def test_a_route_is_answered_and_nothing_of_it_is_kept_by_the_browser(listener: Listener) -> None:
    response, body = await ask(listener, "POST", "/echo", json.dumps(SENT).encode(), JSON)
    assert (response.status, body) == (HTTPStatus.OK, b'{"size": 3}')
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "sample"


async def test_a_foreign_name_or_origin_is_not_answered(listener: Listener) -> None:
    own = listener.address
    for headers, status in (
        ({"Host": "shop.example:80"}, HTTPStatus.MISDIRECTED_REQUEST),
        ({"Host": own, "Origin": "http://shop.example"}, HTTPStatus.FORBIDDEN),
        ({"Host": own, "Origin": "null"}, HTTPStatus.FORBIDDEN),
        ({"Host": own, "Origin": f"http://{own}"}, HTTPStatus.OK),
        ({"Host": own.replace("127.0.0.1", "localhost")}, HTTPStatus.OK),
    ):
        response, _ = await ask(listener, "POST", "/echo", json.dumps(SENT).encode(), {**JSON, **headers})
        assert response.status == status, headers


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", {"Content-Type": "text/plain"}),
        (b"x" * (LARGEST_BODY + 1), JSON),
        (b"", {**JSON, "Content-Length": "-1"}),
        (b"{", JSON),
        (b"[]", JSON),
        (json.dumps(SENT | {"code": SECRET}).encode(), JSON),
        (json.dumps(SENT | {"sealed": "?"}).encode(), JSON),
        (json.dumps(SENT | {"sealed": 1}).encode(), JSON),
        (json.dumps(SENT | {"requestId": SECRET}).encode(), JSON),
        (json.dumps(SENT | {"requestId": None}).encode(), JSON),
    ],
)
async def test_what_is_not_a_submission_is_refused_without_repeating_it(
    listener: Listener, body: bytes, headers: dict[str, str]
) -> None:
    response, answer = await ask(listener, "POST", "/echo", body, headers)
    assert response.status == HTTPStatus.BAD_REQUEST
    assert SECRET.encode() not in answer


async def test_a_refusal_is_told_by_its_reason(listener: Listener) -> None:
    response, body = await ask(listener, "GET", "/away?x")
    assert (response.status, body) == (HTTPStatus.SERVICE_UNAVAILABLE, b'{"problem":"LEDGER"}')


async def test_neither_log_nor_metrics_hold_what_was_asked_for(
    listener: Listener, capfd: pytest.CaptureFixture[str]
) -> None:
    await ask(listener, "GET", f"/{SECRET}")
    await ask(listener, "POST", "/echo", SECRET.encode(), {**JSON, "X-Note": SECRET})
    response, body = await ask(listener, "GET", "/metrics")
    assert response.status == HTTPStatus.OK
    assert b'sample_requests_total{method="GET",route="other",status="404"} 1.0' in body
    logged = capfd.readouterr().err
    assert logged.splitlines() == ["GET other 404", "POST /echo 400", "GET /metrics 200"]
    assert SECRET not in logged + body.decode()


async def test_a_connection_that_breaks_is_one_line(listener: Listener, capfd: pytest.CaptureFixture[str]) -> None:
    host, _, port = listener.address.partition(":")
    with socket.create_connection((host, int(port))) as broken:
        broken.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost:1\r\nContent-Type: application/json\r\n")
        broken.sendall(b"Content-Length: 9\r\n\r\n")
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")  # reset, not close
    logged = await asyncio.to_thread(next_line, capfd)
    assert logged == "a connection broke: ConnectionResetError\n"


def next_line(capfd: pytest.CaptureFixture[str]) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if logged := capfd.readouterr().err:
            return logged
        time.sleep(0.01)
    return ""


def test_what_is_no_submission_has_one_error() -> None:
    with pytest.raises(InvalidInput, match="nothing else") as caught:
        parse(SECRET.encode())
    assert caught.value.reason == "SUBMITTED"
    assert SECRET not in str(caught.value)
