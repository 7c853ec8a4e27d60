"""The plain listener for what watches the vault: ``/metrics``, ``/live`` and ``/ready`` over HTTP.

1. It runs in the supervisor, which holds no key and opens no record, and answers without asking any process.
2. ``/live`` fails when only a restart of the vault helps; ``/ready`` when calls should go elsewhere: while it
   starts and drains, and while no worker can read the store.
3. A client that is slow, hostile or silent costs a connection for 5 s at most, of 64; the numbers are put
   together in a thread, one answer at a time, so the supervisor waits for nobody.
4. Nothing is answered that is a secret: states of processes, and metrics without any caller's word.

It speaks as much HTTP/1.1 as probes and Prometheus need: GET and HEAD without a body, one request a connection.
It knows no TLS and no callers, so it belongs on loopback or a network of its own; Kubernetes' own probes speak
no mutual TLS, which is why it is there beside ``grpc.health.v1``.
"""

import asyncio
import contextlib
import json
from http import HTTPStatus
from pathlib import Path
from typing import Final, NamedTuple, Self

import vault
from vault import config, log, metrics
from vault.health import Health

LARGEST_REQUEST_BYTES: Final = 8192
ANSWER_SECONDS: Final = 5.0
"""How long a connection may last."""

MOST_CONNECTIONS: Final = 64
AGAIN_SECONDS: Final = 2.0

_JSON: Final = "application/json"
_log = log.get(__name__)


class _Answer(NamedTuple):
    status: HTTPStatus
    content_type: str
    body: bytes


async def open_listener(settings: config.Config, health: Health) -> "Listener":
    """Listen as the configuration says; this process and those it starts from now on report their metrics.

    Somebody else on the address keeps no vault from serving: it is tried again every 2 s, and the log says so
    once.
    """
    return await Listener(health).open(settings.operations)


class Listener:
    """Listens until it is closed."""

    def __init__(self, health: Health) -> None:
        """Answer from a vault's health."""
        self._health = health
        self._folder: Path | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._collecting = asyncio.Lock()
        self._server: asyncio.Server | None = None
        self._opening: asyncio.Task[None] | None = None
        self._resources = contextlib.ExitStack()

    @property
    def port(self) -> int:
        """The port that is listened on, 0 while there is none."""
        return self._server.sockets[0].getsockname()[1] if self._server and self._server.sockets else 0

    async def open(self, settings: config.OperationsConfig) -> Self:
        """Listen, or try to again and again; nothing at all where the configuration names no address."""
        address = settings.address
        if address is None:
            return self
        try:
            self._folder = self._resources.enter_context(metrics.collecting())
            metrics.put("release_info", 1, release=vault.__version__)
        except OSError as error:
            _log.error("metrics_off", problem=f"there is no room for their files: {error.strerror}")
        if not await self._listen(address):
            self._opening = asyncio.create_task(self._try_again(address))
        return self

    async def close(self) -> None:
        """Take no more connections, end those that are open and forget the metrics. May be called again."""
        if self._opening is not None:
            self._opening.cancel()
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._resources.close()
        self._folder = None

    async def _try_again(self, address: str) -> None:
        listening = False
        while not listening:
            await asyncio.sleep(AGAIN_SECONDS)
            listening = await self._listen(address, again=True)

    async def _listen(self, address: str, *, again: bool = False) -> bool:
        host, _, port = address.rpartition(":")
        try:
            self._server = await asyncio.start_server(
                self._take, host.strip("[]"), int(port), limit=LARGEST_REQUEST_BYTES
            )
        except OSError as error:
            if not again:
                _log.error("listener_not_open", problem=f"{address} cannot be listened on: {error.strerror}")
            return False
        _log.info("listener_open", address=f"{host}:{self.port}")
        return True

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, unless there are too many."""
        if len(self._connections) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._exchange(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            _log.debug("probe_gone")
        except Exception as error:  # noqa: BLE001  whatever a probe runs into, the vault is watched on
            _log.exception("probe_failed", error)
        finally:
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()  # its reader has had its time
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            answer, verb = _text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), "GET"
        else:
            lines = head.decode("latin-1").split("\r\n")
            verb, path = [*lines[0].split(" "), "", ""][:2]
            answer = await self._answer(verb, path.partition("?")[0], _accept(lines[1:]))
        status = answer.status
        fields = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(answer.body)}",
            "Cache-Control: no-store",
            "Connection: close",
        ]
        writer.write("\r\n".join([*fields, "", ""]).encode() + (b"" if verb == "HEAD" else answer.body))
        await writer.drain()
        writer.write_eof()

    async def _answer(self, verb: str, path: str, accept: str) -> _Answer:
        if verb not in ("GET", "HEAD"):
            return _text(HTTPStatus.METHOD_NOT_ALLOWED if verb.isalpha() else HTTPStatus.BAD_REQUEST)
        if path == "/live":
            return self._told("live", holds=self._health.live())
        if path == "/ready":
            reachable = self._folder is None or metrics.store_reachable(self._folder)
            return self._told("ready", holds=self._health.ready() and reachable, store_reachable=reachable)
        if path == "/metrics" and self._folder is not None:
            async with self._collecting:
                body, content_type = await asyncio.to_thread(metrics.exposition, self._folder, accept)
            return _Answer(HTTPStatus.OK, content_type, body)
        return _text(HTTPStatus.NOT_FOUND)

    def _told(self, what: str, *, holds: bool, **more: bool) -> _Answer:
        told = {what: holds, **more, "processes": self._health.summary()}
        status = HTTPStatus.OK if holds else HTTPStatus.SERVICE_UNAVAILABLE
        return _Answer(status, _JSON, json.dumps(told).encode() + b"\n")


def _text(status: HTTPStatus) -> _Answer:
    return _Answer(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())


def _accept(lines: list[str]) -> str:
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.lower() == "accept"), "")
