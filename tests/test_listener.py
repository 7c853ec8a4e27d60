import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from vault import config, listener
from vault.config import OperationsConfig
from vault.health import Health, State
from vault.listener import LARGEST_REQUEST_BYTES, MOST_CONNECTIONS, Listener
from vault.metrics import METRICS

ANYWHERE = OperationsConfig(address="127.0.0.1:0")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ANSWER_SECONDS", 120.0)


@pytest.fixture
def health() -> Health:
    made = Health()
    made.set("worker-1", State.READY)
    return made


@pytest.fixture
async def opened(health: Health) -> AsyncIterator[Listener]:
    made = await Listener(health).open(ANYWHERE)
    yield made
    await made.close()


async def send(port: int, request: bytes) -> bytes:
    """Send bytes and return all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 120)
    finally:
        await end(writer)


async def end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, however the other side has ended it."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def ask(port: int, path: str, verb: str = "GET", fields: str = "") -> tuple[int, dict[str, str], bytes]:
    """Return an answer's status, header fields in lower case, and body."""
    answer = await send(port, f"{verb} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    said = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split()[1]), said, body


async def test_ready_and_live_are_told_apart(opened: Listener, health: Health) -> None:
    assert (await ask(opened.port, "/ready"))[0] == 200
    health.drain()
    status, _, body = await ask(opened.port, "/ready?verbose")
    assert status == 503
    told = {"ready": False, "store_reachable": True, "processes": "draining: worker-1 ready"}
    assert json.loads(body) == told
    assert (await ask(opened.port, "/live"))[0] == 200
    health.set("worker-1", State.HUNG)
    assert (await ask(opened.port, "/live"))[0] == 503


async def test_a_vault_that_starts_is_live_and_not_ready() -> None:
    starting = Health()
    starting.set("worker-1", State.STARTING)
    made = await Listener(starting).open(ANYWHERE)
    assert [(await ask(made.port, path))[0] for path in ("/live", "/ready")] == [200, 503]
    await made.close()


async def test_metrics_are_shown_as_the_asker_reads_them(opened: Listener) -> None:
    status, fields, body = await ask(opened.port, "/metrics")
    assert status == 200
    assert fields["content-type"].startswith("text/plain; version=")
    assert int(fields["content-length"]) == len(body)
    assert any(metric.meaning in body.decode() for metric in METRICS)
    _, fields, body = await ask(
        opened.port, "/metrics", fields="Accept: application/openmetrics-text; version=1.0.0\r\n"
    )
    assert fields["content-type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_only_what_is_there_is_answered(opened: Listener) -> None:
    assert (await ask(opened.port, "/"))[0] == 404
    assert (await ask(opened.port, "/metrics/../ready"))[0] == 404
    assert (await ask(opened.port, "/live", verb="POST"))[0] == 405
    status, fields, body = await ask(opened.port, "/live", verb="HEAD")
    assert (status, body) == (200, b"")
    assert int(fields["content-length"]) > 0


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\r\n\r\n", 400),
        (b"GET\r\n\r\n", 404),
        (b"GET " + b"/" * 2 * LARGEST_REQUEST_BYTES + b"\r\n\r\n", 431),
        (b"GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text; version=\xff;;q=a\r\n\r\n", 200),
    ],
)
async def test_malformed_requests_are_refused(opened: Listener, request_: bytes, status: int) -> None:
    try:
        assert (await send(opened.port, request_)).split()[1] == str(status).encode()
    except ConnectionError:
        assert status == 431  # what was not read may reset the connection before the answer is seen
    assert (await ask(opened.port, "/live"))[0] == 200


async def test_whatever_goes_wrong_with_one_answer_the_next_is_given(
    opened: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("vault.listener.metrics.exposition", fail)
        assert await send(opened.port, b"GET /metrics HTTP/1.1\r\n\r\n") == b""
    assert (await ask(opened.port, "/metrics"))[0] == 200


async def test_clients_that_are_silent_or_slow_cost_a_connection_for_a_while(
    opened: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hurried:
        hurried.setattr(listener, "ANSWER_SECONDS", 0.5)
        silent = [await asyncio.open_connection("127.0.0.1", opened.port) for _ in range(MOST_CONNECTIONS + 10)]
        for _, writer in silent:
            writer.write(b"GET /metrics")
        reading = asyncio.gather(*(reader.read() for reader, _ in silent), return_exceptions=True)
        ended = await asyncio.wait_for(reading, 60)
    assert all(isinstance(each, ConnectionError) or each == b"" for each in ended)
    assert (await ask(opened.port, "/live"))[0] == 200
    for _, writer in silent:
        await end(writer)


async def test_an_address_that_is_taken_is_tried_again(health: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "AGAIN_SECONDS", 0.05)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        made = await Listener(health).open(OperationsConfig(address=f"127.0.0.1:{port}"))
        await asyncio.sleep(0.2)
        assert made.port == 0
    async with asyncio.timeout(120):
        while not made.port:  # noqa: ASYNC110  the listener tells nobody
            await asyncio.sleep(0.05)
    assert (await ask(port, "/live"))[0] == 200
    await made.close()


async def test_an_empty_address_listens_nowhere(health: Health) -> None:
    made = await Listener(health).open(OperationsConfig(address=None))
    assert made.port == 0
    await made.close()
    await made.close()


def test_the_listener_is_on_loopback_unless_told_otherwise() -> None:
    assert OperationsConfig().address == "127.0.0.1:9464"
    assert 'address = "127.0.0.1:9464"' in config.EXAMPLE
