"""The client for callers without asyncio: the same calls, which wait for their answers.

    with connect_blocking("localhost:7443", ca=ca, certificate=certificate, private_key=key) as client:
        request = ListPublicKeysRequest()
        keys = client.call(client.validation.ListPublicKeys, request)
        answer = client.validate("1234 5678 9012 3452", ["netcash"])

1. One thread of its own runs one event loop with one connection; any number of threads may call at the same
   time, and their codes share calls as ``client.validator`` says.
2. Every call ends by its deadline, as in the asynchronous client, and raises the same errors.
3. ``close`` ends the thread, the loop and the connection, and leaves no task behind; so does the end of the
   process, and of the client when nothing refers to it any more.
4. After a fork the client is the parent's alone: in the child every call is refused (FailedPrecondition, FORKED),
   and ``close`` does nothing. gRPC cannot be used in a child of a process that has used it: servers that fork
   make their client in each worker, such as in gunicorn's ``post_fork``.

From a coroutine use ``client.channel``: a call here would hold up its event loop. In the client's own thread,
to which ``run`` takes work, a call would wait for itself and is refused.
"""

import asyncio
import concurrent.futures
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from google.protobuf.message import Message

from vault.client.channel import DEFAULT_TIMEOUT_SECONDS, VaultClient, connect
from vault.client.validator import MOST_WAITING, Validator
from vault.errors import FailedPrecondition, Unavailable, VaultError
from vault.v1.validation_service_pb2 import ValidatedCode

if TYPE_CHECKING:
    import grpc

START_SECONDS = 30.0
GRACE_SECONDS = 5.0
"""Allowed to the loop's thread beyond a call's deadline before the caller gives it up."""

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own, and the client and validator that live there."""

    def __init__(self, make_client: Callable[[], VaultClient], most_waiting: int) -> None:
        self._make_client = make_client
        self._most_waiting = most_waiting
        self._started: concurrent.futures.Future[tuple[VaultClient, Validator]] = concurrent.futures.Future()
        self._submitting = threading.Lock()
        self._open = True
        self.process = os.getpid()
        # Nobody waits for a daemon at the end of the process; whoever forgot to close would wait for ever.
        self.thread = threading.Thread(target=self._work, name="cardvault-client", daemon=True)
        self.thread.start()
        try:
            self.client, self.validator = self._started.result(START_SECONDS)
        except BaseException:
            self.thread.join(START_SECONDS)
            raise

    def _work(self) -> None:
        try:
            asyncio.run(self._serve())  # which cancels what is left at its end
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self._make_client() as client:
            validator = Validator(client, most_waiting=self._most_waiting)
            self._started.set_result((client, validator))
            await self._stop.wait()
            await validator.close()

    def submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        """Have a coroutine run.

        Raises:
            FailedPrecondition: FORKED, or OWN_THREAD.
            Unavailable: CLIENT_CLOSED.
        """
        refusal = self._refusal()
        if refusal is None:
            with self._submitting:  # so that what is taken comes before the end
                if self._open:
                    return asyncio.run_coroutine_threadsafe(work, self._loop)
                refusal = Unavailable("the client is closed", reason="CLIENT_CLOSED")
        work.close()
        raise refusal

    def _refusal(self) -> VaultError | None:
        if os.getpid() != self.process:
            message = "the client belongs to the process that this one was forked from; make one after the fork"
            return FailedPrecondition(message, reason="FORKED")
        if threading.current_thread() is self.thread:
            message = "a blocking call in the client's own thread would wait for itself"
            return FailedPrecondition(message, reason="OWN_THREAD")
        return None

    def stop(self) -> None:
        """End the thread, and return when it has ended; nothing in a forked child."""
        if os.getpid() != self.process:
            return
        with self._submitting:
            first, self._open = self._open, False
            if first:
                self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self.thread:
            self.thread.join()


class BlockingClient:
    """The vault's services for callers in threads; a context manager that closes it.

    ``issuance``, ``activation``, ``validation``, ``cards``, ``rotation``, ``incidents``, ``administration`` and
    ``audit`` are the typed stubs, for ``call`` alone.
    """

    def __init__(self, make_client: Callable[[], VaultClient], *, most_waiting: int = MOST_WAITING) -> None:
        """Start the thread; ``connect_blocking`` does.

        Args:
            make_client: Makes the client, in the loop's thread.
            most_waiting: Codes that may wait to be asked about, see ``client.validator``.

        Raises:
            VaultError: What making the client raised.
        """
        self._loop = _Loop(make_client, most_waiting)
        self._end = weakref.finalize(self, self._loop.stop)
        client = self._loop.client
        self.timeout_seconds = client.timeout_seconds
        self.issuance = client.issuance
        self.activation = client.activation
        self.validation = client.validation
        self.cards = client.cards
        self.rotation = client.rotation
        self.incidents = client.incidents
        self.administration = client.administration
        self.audit = client.audit

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Call a method as ``VaultClient.call`` does, and return its answer.

        Args:
            method: A method of one of the stubs.
            request: Its request; an empty ``request_id`` is filled in place.
            timeout_seconds: Deadline for all tries together; the client's default where None.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        return self._wait(self._loop.client.call(method, request, seconds), seconds)

    def validate(
        self, code: str | bytes, programs: Sequence[str] = (), timeout_seconds: float | None = None
    ) -> ValidatedCode:
        """Return the vault's answer for one code, as ``Validator.validate`` does.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """
        seconds = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        return self._wait(self._loop.validator.validate(code, programs, seconds), seconds)

    def run(self, work: Callable[[VaultClient], Awaitable[T]], timeout_seconds: float | None = None) -> T:
        """Have asynchronous work done with the client in its thread, and return what it returns.

        Args:
            work: Called there with the client, such as ``lambda client: exchange_code(client, claim)``.
            timeout_seconds: After how long it is cancelled; never where None.

        Raises:
            Unavailable: DEADLINE_EXCEEDED: it was not done in time. Else what the work raises.
        """

        async def begin() -> T:
            try:
                return await asyncio.wait_for(work(self._loop.client), timeout_seconds)
            except TimeoutError:
                raise _late() from None

        return self._wait(begin(), timeout_seconds)

    def close(self) -> None:
        """End the connection and its thread.

        Codes on their way are answered; other calls end with Unavailable.
        """
        self._end()

    def _wait(self, work: Coroutine[Any, Any, T], seconds: float | None) -> T:
        future = self._loop.submit(work)
        try:
            return future.result(None if seconds is None else max(seconds, 0.0) + GRACE_SECONDS)
        except concurrent.futures.CancelledError:
            raise Unavailable("the client was closed", reason="CLIENT_CLOSED") from None
        except TimeoutError:
            raise _late() from None
        finally:
            future.cancel()  # where the caller leaves without an answer, by Ctrl-C too


def connect_blocking(  # noqa: PLR0913  # what a connection takes, each by name
    address: str,
    *,
    ca: Path,
    certificate: Path,
    private_key: Path,
    server_name: str = "",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    most_waiting: int = MOST_WAITING,
) -> BlockingClient:
    """Make a client for callers without asyncio; it connects with its first call.

    Args:
        address: ``host:port``, or several, ``host:port,host:port``, of vaults over one database.
        ca: PEM file of the authority that issued the vault's certificate.
        certificate: PEM file of the caller's certificate.
        private_key: PEM file of the caller's private key.
        server_name: DNS name that every vault's certificate must carry where it is not its address's host.
        timeout_seconds: Deadline of a call for which none is given.
        most_waiting: Codes that may wait to be asked about, see ``client.validator``.

    Raises:
        InvalidInput: A file cannot be read, or the address is none.
    """

    def make() -> VaultClient:
        return connect(
            address,
            ca=ca,
            certificate=certificate,
            private_key=private_key,
            server_name=server_name,
            timeout_seconds=timeout_seconds,
        )

    return BlockingClient(make, most_waiting=most_waiting)


def _late() -> Unavailable:
    return Unavailable("it was not done in time", reason="DEADLINE_EXCEEDED")
