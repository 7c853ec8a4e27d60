"""A connection to the vault.

1. The vault is authenticated by a CA that the caller names, and the caller by its own certificate; the system's
   trust store is never asked.
2. Every call ends by its deadline, its repetitions included.
3. A refusal is raised as one of ``vault.errors``.

A client has one HTTP/2 connection for each address, and one connection reaches one worker process of the vault:
callers that need more than one worker's throughput open several clients. The vault ends a connection after half an
hour or as it is set, so that callers spread again; calls in flight finish first, and the next takes a new connection.

Over several addresses calls are balanced (see ``client.spread``), and one vault's death costs its calls in
flight a repetition. There no single try may take more than half of the time left, so that a vault which hangs
cannot use up a call's deadline. A machine that is gone without a word is noticed within 15 s by pings, which
are sent only while calls are in flight.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import grpc
from google.protobuf.message import Message

from vault.client.retry import Backoff, fill_request_id, is_repeatable, may_help
from vault.client.spread import SETTLE_SECONDS, SpreadChannel, parse_addresses
from vault.client.streams import job_states, package_parts
from vault.client.trace import trace_metadata
from vault.errors import InvalidInput
from vault.status import from_rpc_error
from vault.v1.activation_service_pb2_grpc import ActivationServiceStub
from vault.v1.administration_service_pb2_grpc import AdministrationServiceStub
from vault.v1.audit_service_pb2_grpc import AuditServiceStub
from vault.v1.card_service_pb2_grpc import CardServiceStub
from vault.v1.incident_service_pb2_grpc import IncidentServiceStub
from vault.v1.issuance_service_pb2 import ExportBatchRequest, ExportBatchResponse
from vault.v1.issuance_service_pb2_grpc import IssuanceServiceStub
from vault.v1.resources_pb2 import RotationJob
from vault.v1.rotation_service_pb2 import (
    ExportRotationPackageRequest,
    ExportRotationPackageResponse,
    WatchRotationJobRequest,
)
from vault.v1.rotation_service_pb2_grpc import RotationServiceStub
from vault.v1.validation_service_pb2_grpc import ValidationServiceStub

if TYPE_CHECKING:
    from vault.v1.activation_service_pb2_grpc import ActivationServiceAsyncStub
    from vault.v1.administration_service_pb2_grpc import AdministrationServiceAsyncStub
    from vault.v1.audit_service_pb2_grpc import AuditServiceAsyncStub
    from vault.v1.card_service_pb2_grpc import CardServiceAsyncStub
    from vault.v1.incident_service_pb2_grpc import IncidentServiceAsyncStub
    from vault.v1.issuance_service_pb2_grpc import IssuanceServiceAsyncStub
    from vault.v1.rotation_service_pb2_grpc import RotationServiceAsyncStub
    from vault.v1.validation_service_pb2_grpc import ValidationServiceAsyncStub

DEFAULT_TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
SHORTEST_TRY_SECONDS = 1.0
PINGS: tuple[tuple[str, int], ...] = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.ping_timeout_ms", 5_000),  # its default, a minute, holds whatever keepalive_timeout_ms says
    # Its default is two: a stream on which nothing comes would lose a vault that is gone after two signs of life.
    ("grpc.http2.max_pings_without_data", 0),
)
"""How often an open connection is asked for a sign of life while calls are in flight, and for how long.

The server takes twice that often without complaint (``vault.rpc.limits``).
"""

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    ("grpc.use_local_subchannel_pool", 1),  # otherwise clients of one process share one connection
    ("grpc.enable_retries", 0),  # repeated here, where it is known what is safe
    # The defaults let a vault that is back wait for up to two minutes. It is back within a second, and a wait that
    # doubles was most of what its callers then waited for (0.9, 1.6, 2.6 s: the tries of 100 ms times 1.6).
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 300),
)

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")


class VaultClient:
    """The vault's services over one channel; an asynchronous context manager that closes it.

    ``issuance``, ``activation``, ``validation``, ``cards``, ``rotation``, ``incidents``, ``administration`` and
    ``audit`` are the typed stubs; ``call`` calls them. ``channel`` is the connection itself, for calls that the stubs
    don't cover.
    """

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Take over an open channel; ``connect`` makes one.

        Args:
            channel: The channel, closed by ``close``.
            timeout_seconds: Deadline of a call for which none is given.
        """
        self.channel = channel
        self.timeout_seconds = timeout_seconds
        self.issuance: IssuanceServiceAsyncStub = IssuanceServiceStub(channel)
        self.activation: ActivationServiceAsyncStub = ActivationServiceStub(channel)
        self.validation: ValidationServiceAsyncStub = ValidationServiceStub(channel)
        self.cards: CardServiceAsyncStub = CardServiceStub(channel)
        self.rotation: RotationServiceAsyncStub = RotationServiceStub(channel)
        self.incidents: IncidentServiceAsyncStub = IncidentServiceStub(channel)
        self.administration: AdministrationServiceAsyncStub = AdministrationServiceStub(channel)
        self.audit: AuditServiceAsyncStub = AuditServiceStub(channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight end with an error."""
        await self.channel.close()

    async def call(
        self,
        method: "grpc.aio.UnaryUnaryMultiCallable[Request, Response]",
        request: Request,
        timeout_seconds: float | None = None,
    ) -> Response:
        """Call a method, repeating it while the vault is unavailable where that is safe.

        Args:
            method: A method of one of the stubs.
            request: Its request. An empty ``request_id`` is filled in place where it is of use, so that the caller,
                too, can send the same request again.
            timeout_seconds: Deadline for all tries together; the client's default where None.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """
        fill_request_id(request)
        repeatable = is_repeatable(request)
        clock = asyncio.get_running_loop()
        deadline = clock.time() + (self.timeout_seconds if timeout_seconds is None else timeout_seconds)
        backoff = Backoff()
        while True:
            left = deadline - clock.time()
            if isinstance(self.channel, SpreadChannel):
                await self.channel.settle(min(SETTLE_SECONDS, left))
                left = deadline - clock.time()
                if repeatable:
                    left = min(left, max(left / 2, SHORTEST_TRY_SECONDS))
            begun = method(request, timeout=max(left, 0.001), metadata=trace_metadata() or None)
            try:
                return await begun
            except grpc.aio.AioRpcError as rpc_error:
                error = from_rpc_error(rpc_error)
                if isinstance(self.channel, SpreadChannel) and may_help(error):
                    self.channel.shun(begun)
                if not may_help(error) or not repeatable:
                    raise error from None
                wait = backoff.next_wait_seconds(error.retry_seconds)
                if clock.time() + wait >= deadline:
                    raise error from None
            await asyncio.sleep(wait)

    async def export_batch(self, program: str, batch_id: str, *, offset: int = 0) -> AsyncIterator[ExportBatchResponse]:
        """Stream a batch's package: its size, then chunks, then its manifest.

        After a broken connection it goes on where it was, by itself, until nothing has come for the client's
        deadline; the size is answered once.

        Args:
            program: The program.
            batch_id: The batch, a UUID.
            offset: Bytes of the package that the caller already holds.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """

        def begin(held: int) -> object:
            request = ExportBatchRequest(program=program, batch_id=batch_id, offset=held)
            return self.issuance.ExportBatch(request, metadata=trace_metadata() or None)

        def content(part: ExportBatchResponse) -> int | None:
            return None if part.HasField("size_bytes") else len(part.chunk)

        async for part in package_parts(begin, content, offset, self.timeout_seconds):
            yield part

    async def export_rotation_package(
        self, program: str, job_id: str, *, offset: int = 0
    ) -> AsyncIterator[ExportRotationPackageResponse]:
        """Stream the package of a re-issue's new codes as ``export_batch`` does a batch's.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """

        def begin(held: int) -> object:
            request = ExportRotationPackageRequest(program=program, job_id=job_id, offset=held)
            return self.rotation.ExportRotationPackage(request, metadata=trace_metadata() or None)

        def content(part: ExportRotationPackageResponse) -> int | None:
            return None if part.HasField("size") else len(part.content)

        async for part in package_parts(begin, content, offset, self.timeout_seconds):
            yield part

    async def watch_job(self, program: str, job_id: str) -> AsyncIterator[RotationJob]:
        """Stream a job whenever it has moved on, at most ten times a second, until it has ended.

        After a broken connection it goes on by itself, until the vault has been away for the client's deadline.

        Args:
            program: The program; empty for the vault's own jobs.
            job_id: The job, a UUID.

        Raises:
            VaultError: The kind of it that tells the refusal.
        """
        request = WatchRotationJobRequest(program=program, job_id=job_id)

        def begin() -> object:
            return self.rotation.WatchRotationJob(request, metadata=trace_metadata() or None)

        async for job in job_states(begin, self.timeout_seconds):
            yield job


def connect(  # noqa: PLR0913  # what a connection takes, each by name
    address: str,
    *,
    ca: Path,
    certificate: Path,
    private_key: Path,
    server_name: str = "",
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> VaultClient:
    """Make a client for the vault at an address, or for several; it connects with its first call.

    Args:
        address: ``host:port``, or several, ``host:port,host:port``, of vaults over one database.
        ca: PEM file of the authority that issued the vault's certificate.
        certificate: PEM file of the caller's certificate.
        private_key: PEM file of the caller's private key.
        server_name: DNS name that every vault's certificate must carry where it is not its address's host.
        timeout_seconds: Deadline of a call for which none is given.

    Raises:
        InvalidInput: A file cannot be read, or the address is none.
    """
    addresses = parse_addresses(address)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=_read(ca), private_key=_read(private_key), certificate_chain=_read(certificate)
    )
    options: list[tuple[str, str | int]] = [*_OPTIONS, *PINGS]
    if server_name:
        options.append(("grpc.ssl_target_name_override", server_name))
    channels = [grpc.aio.secure_channel(place, credentials, options=options) for place in addresses]
    channel = channels[0] if len(channels) == 1 else SpreadChannel(channels)
    return VaultClient(channel, timeout_seconds=timeout_seconds)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise InvalidInput(message, reason="UNREADABLE_FILE") from None
