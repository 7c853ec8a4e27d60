"""A small HTTP listener on loopback, for the sample shop and its ledger.

1. It listens on 127.0.0.1 only, and answers only requests that name it as 127.0.0.1 or localhost, so that no
   foreign name can be made to lead to it; a browser is answered only for pages of its own.
2. A request is bounded: 8 KiB of JSON, 30 s.
3. Its log has the method, the route and the status of a request; nothing of what it carried, and no path that
   is not one of the routes.
4. ``/metrics`` counts requests by method, route and status.
"""

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, generate_latest

HOST: Final = "127.0.0.1"
LARGEST_BODY: Final = 8 * 1024
TIMEOUT_SECONDS: Final = 30.0
JSON: Final = "application/json"

_NAMES: Final = {HOST, "localhost"}
_ALWAYS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Answer(NamedTuple):
    """What a route answers."""

    status: HTTPStatus
    content: bytes
    kind: str = JSON
    headers: Mapping[str, str] = {}


Route = Callable[[bytes], Awaitable[Answer]]
Routes = Mapping[tuple[str, str], Route]
"""Routes by method and path; each is called in the event loop with the request's body."""


class Listener:
    """Listens until it is stopped; its requests are answered in the event loop that made it."""

    def __init__(self, routes: Routes, port: int = 0) -> None:
        """Start listening.

        Args:
            routes: What is answered.
            port: Where; 0 lets the system choose.

        Raises:
            OSError: The port is taken.
        """
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "sample_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._routes: Routes = {**routes, ("GET", "/metrics"): self._metrics}
        self._loop = asyncio.get_running_loop()
        self._server = _Server(port, self.answer)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it listens, ``host:port``."""
        return f"{HOST}:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop listening; requests in flight are given up."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """Answer a request, from another thread than the loop's."""
        route = self._routes.get((method, path))
        if route is None:
            return self._counted(method, "other", problem(HTTPStatus.NOT_FOUND))

        async def within() -> Answer:
            return await route(body)

        try:
            answer = asyncio.run_coroutine_threadsafe(within(), self._loop).result(TIMEOUT_SECONDS)
        except TimeoutError:
            answer = problem(HTTPStatus.GATEWAY_TIMEOUT)
        return self._counted(method, path, answer)

    def _counted(self, method: str, route: str, answer: Answer) -> Answer:
        self._requests.labels(method, route, answer.status.value).inc()
        _log(f"{method} {route} {answer.status.value}")
        return answer

    async def _metrics(self, _body: bytes) -> Answer:
        return Answer(HTTPStatus.OK, generate_latest(self._registry), "text/plain; version=0.0.4; charset=utf-8")


class _Exchange(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS

    def do_GET(self) -> None:
        self._answer("GET", b"")

    def do_POST(self) -> None:
        size = self.headers.get("Content-Length", "")
        sent_as = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if not size.isdecimal() or int(size) > LARGEST_BODY or sent_as != JSON:
            self.close_connection = True  # what is left of the body is not read
            self._send(problem(HTTPStatus.BAD_REQUEST))
            return
        self._answer("POST", self.rfile.read(int(size)))

    def version_string(self) -> str:
        return "sample"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is http.server's
        """Write nothing: the line of a request holds whatever was asked for."""

    def _answer(self, method: str, body: bytes) -> None:
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if host.rpartition(":")[0] not in _NAMES:
            self._send(problem(HTTPStatus.MISDIRECTED_REQUEST))
        elif origin not in (None, f"http://{host}"):
            self._send(problem(HTTPStatus.FORBIDDEN))
        else:
            assert isinstance(self.server, _Server)
            self._send(self.server.answer(method, self.path.partition("?")[0], body))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        length = {"Content-Type": answer.kind, "Content-Length": str(len(answer.content))}
        for name, value in {**_ALWAYS, **length, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.content)


class _Server(ThreadingHTTPServer):
    """Says in one line that a connection broke, where Python would print where it was."""

    daemon_threads = True

    def __init__(self, port: int, answer: Callable[[str, str, bytes], Answer]) -> None:
        super().__init__((HOST, port), _Exchange)
        self.answer = answer

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the names are socketserver's
        _log(f"a connection broke: {type(sys.exception()).__name__}")


def _log(line: str) -> None:
    """One write, as the lines of two threads would otherwise run into each other."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def problem(status: HTTPStatus, reason: str = "") -> Answer:
    """Answer that a request was not answered, and why, as a reason of ``vault.errors`` or the status's own name."""
    return Answer(status, b'{"problem":"%s"}' % (reason or status.name).encode())
