"""The yardstick of calls: a bare ``grpc.aio`` server that answers with the bytes it was sent.

``python -m bench.echo CERTIFICATES PORT`` is one process of it. Same certificates, TLS settings and options as a
worker of the vault; no parsing, no role, no store.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.processes import children, command
from vault.rpc.environment import prepare_environment

METHOD = "/bench.Echo/Echo"
START_SECONDS = 120.0


async def _serve(certificates: Path, port: int) -> None:
    import grpc.aio  # noqa: PLC0415  after the environment is prepared

    from vault.rpc.tls import TlsFiles  # noqa: PLC0415  as above

    async def answer(body: bytes, _context: Any) -> bytes:
        return body

    class Router(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            return handler if handler_call_details.method == METHOD else None

    handler: Any = grpc.unary_unary_rpc_method_handler(answer)
    tls = TlsFiles(certificates / "server.pem", certificates / "server.key", certificates / "ca.pem")
    server = grpc.aio.server(options=[("grpc.so_reuseport", 1), ("grpc.max_concurrent_streams", 1024)])
    server.add_generic_rpc_handlers((Router(),))
    server.add_secure_port(f"127.0.0.1:{port}", tls.credentials())
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("ready", flush=True)
    await stop.wait()
    await server.stop(1.0)


@contextlib.contextmanager
def echo_server(certificates: Path, processes: int) -> Iterator[str]:
    """Run an echo server of some processes on one port and yield its address.

    Raises:
        RuntimeError: A process did not start.
    """
    with socket.socket() as reserved, contextlib.ExitStack() as stack:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        command = [sys.executable, "-m", "bench.echo", str(certificates), str(port)]
        running = [
            stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))  # noqa: S603
            for _ in range(processes)
        ]
        try:
            for process in running:
                assert process.stdout is not None
                if process.stdout.readline() != "ready\n":
                    message = "the echo server did not start"
                    raise RuntimeError(message)
            yield f"127.0.0.1:{port}"
        finally:
            for process in running:
                process.terminate()
            deadline = time.monotonic() + START_SECONDS
            for process in running:
                try:
                    process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()


def pids() -> list[int]:
    """Return the process ids of the echo server that this process runs."""
    return [child for child in children(os.getpid()) if "\0bench.echo\0" in command(child)]


def main() -> int:
    """Be one process of the echo server until SIGTERM."""
    prepare_environment()
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
