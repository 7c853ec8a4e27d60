"""Streams of the vault that go on by themselves after a broken connection.

1. A package's bytes come once and in their order, whatever broke meanwhile; its size comes once.
2. A watched job's last message is the job as it ended.

Neither ends by itself while the vault is away for less than the client's deadline at a time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio

from vault.client.retry import Backoff, may_help
from vault.errors import Unavailable
from vault.status import from_rpc_error
from vault.v1.resources_pb2 import RotationJob

ENDED = frozenset({RotationJob.STATE_DONE, RotationJob.STATE_CANCELLED, RotationJob.STATE_FAILED})
"""States of a job that nothing follows."""


async def package_parts(
    begin: Callable[[int], Any], content: Callable[[Any], int | None], offset: int, timeout_seconds: float
) -> AsyncIterator[Any]:
    """Stream a package's parts: its size, then chunks, then its manifest.

    Args:
        begin: Begins the stream at an offset.
        content: Answers the bytes of content that a part brings, None for the part that tells the size.
        offset: Bytes of the package that the caller already holds.
        timeout_seconds: For how long nothing may come.

    Raises:
        VaultError: The kind of it that tells the refusal.
    """
    clock = asyncio.get_running_loop()
    last_progress = clock.time()
    backoff = Backoff()
    sized = False
    while True:
        stream = begin(offset)
        try:
            while (part := await asyncio.wait_for(stream.read(), timeout_seconds)) is not grpc.aio.EOF:
                last_progress = clock.time()
                size = content(part)
                offset += size or 0
                if size is None and sized:
                    continue
                sized = True
                yield part
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            if not may_help(error) or clock.time() > last_progress + timeout_seconds:
                raise error from None
            wait = backoff.next_wait_seconds(error.retry_seconds)
        except TimeoutError:
            message = "the vault sent nothing more of the package"
            raise Unavailable(message, reason="EXPORT_STALLED") from None
        else:
            return
        finally:
            stream.cancel()
        await asyncio.sleep(wait)


async def job_states(begin: Callable[[], Any], timeout_seconds: float) -> AsyncIterator[RotationJob]:
    """Stream a job whenever it has moved on, until it has ended.

    Args:
        begin: Begins to watch.
        timeout_seconds: For how long the vault may be away.

    Raises:
        VaultError: The kind of it that tells the refusal.
    """
    clock = asyncio.get_running_loop()
    last_answer = clock.time()
    backoff = Backoff()
    while True:
        stream = begin()
        try:
            while (answer := await stream.read()) is not grpc.aio.EOF:
                last_answer = clock.time()
                backoff = Backoff()
                yield answer.job
                if answer.job.state in ENDED:
                    return
            wait = backoff.next_wait_seconds(None)  # the vault drains: ask the next worker
        except grpc.aio.AioRpcError as rpc_error:
            error = from_rpc_error(rpc_error)
            if not may_help(error) or clock.time() > last_answer + timeout_seconds:
                raise error from None
            wait = backoff.next_wait_seconds(error.retry_seconds)
        finally:
            stream.cancel()
        await asyncio.sleep(wait)
