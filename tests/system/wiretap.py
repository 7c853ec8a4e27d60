"""Wires that are tapped: proxies in front of listeners that write down every byte that passes, both ways."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE_BYTES = 64 * 1024


class Wiretap:
    """Proxies on loopback; a context manager that ends them."""

    def __init__(self, folder: Path) -> None:
        """Write what passes into a folder: a file for each connection and direction."""
        self.folder = folder
        self._listeners: list[socket.socket] = []
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in [*self._listeners, *self._ends]:
            with contextlib.suppress(OSError):  # closed already
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for listener in self._listeners:
            listener.close()

    def through(self, name: str, address: str) -> str:
        """Put a proxy in front of what listens at ``host:port``, and return the proxy's."""
        listener = socket.create_server(("127.0.0.1", 0))
        self._listeners.append(listener)
        self._start(self._accept, listener, name, address)
        return "{}:{}".format(*listener.getsockname())

    def _accept(self, listener: socket.socket, name: str, address: str) -> None:
        host, _, port = address.rpartition(":")
        with contextlib.suppress(OSError):  # the end
            while True:
                caller, _ = listener.accept()
                wire = (caller, socket.create_connection((host, int(port))), name, next(self._numbers))
                self._start(self._connect, *wire)

    def _connect(self, caller: socket.socket, called: socket.socket, name: str, number: int) -> None:
        with caller, called:
            self._ends += [caller, called]
            there = self._start(_pass, caller, called, self.folder / f"to-{name}-{number}")
            _pass(called, caller, self.folder / f"from-{name}-{number}")
            there.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments)
        thread.start()
        self._threads.append(thread)
        return thread


def _pass(source: socket.socket, target: socket.socket, path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):  # either side has gone
        while piece := source.recv(PIECE_BYTES):
            file.write(piece)
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
