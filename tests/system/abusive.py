"""What abusive clients need: a worker's memory, and connections to it that keep no rule."""

import asyncio
import contextlib
import os
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.http2 import Connection, client_context
from tests.system.running import Running
from vault.v1.validation_service_pb2 import ListPublicKeysRequest

SETTLE_SECONDS = 240.0
GROWN = 1.2
AT_ONCE = 16
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * _PAGE_MIB


async def ask(vault: Running, times: int = 1) -> None:
    """Have a caller with a connection of his own be answered."""
    async with vault.client("shop") as client:
        for _ in range(times):
            await client.call(client.validation.ListPublicKeys, ListPublicKeysRequest())


def _all_workers_mib(vault: Running) -> float:
    """Return what the workers take, one that drains included."""
    taken = 0.0
    for worker in vault.children("worker"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has drained
            taken += resident_mib(worker)
    return taken


@contextlib.asynccontextmanager
async def abused(vault: Running, most_mib: float, *, may_be_replaced: bool = False) -> AsyncIterator[None]:
    """Run an abuse of a vault with one worker, and check that it has taken no harm.

    It must be the same process, or one that the supervisor has put in its place if it may; be answering, never have
    been above a bound, and have given the memory back.
    """
    [worker] = vault.children("worker")
    await ask(vault)
    before = resident_mib(worker)
    peaks = [before]

    async def watch() -> None:
        while True:
            peaks.append(resident_mib(worker))
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield
        await ask(vault)
    finally:
        watching.cancel()
    deadline = time.monotonic() + SETTLE_SECONDS
    while (after := _all_workers_mib(vault)) > before * GROWN and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    print(f"memory of the worker: {before:.0f} MiB before, {max(peaks):.0f} at most, {after:.0f} after")
    assert vault.children("worker") == [worker] or (may_be_replaced and "process_grown" in vault.log.read_text())
    await ask(vault)
    assert max(peaks) - before <= most_mib
    assert after <= before * GROWN


class Attacker:
    """Somebody who holds a caller's certificate."""

    def __init__(self, vault: Running, caller: str = "shop") -> None:
        host, _, port = vault.address.rpartition(":")
        self.host, self.port = host, int(port)
        self.context: ssl.SSLContext = client_context(vault.certificates, caller)
        self.authority = vault.address

    async def connection(self, **how: int) -> Connection:
        return await Connection.opened(self.host, self.port, self.context, **how)

    async def connections(self, count: int) -> list[Connection]:
        """Open connections, some at once."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one() -> Connection:
            async with turns:
                connection = await self.connection()
                await connection.frames()
                return connection

        return await asyncio.gather(*(one() for _ in range(count)))
