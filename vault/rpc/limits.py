"""The bounds of one worker process's server, and what of them gRPC keeps.

1. A connection that has not finished TLS after 10 s, or sends no HTTP/2 settings, is closed; so is an idle one
   after ``idle_minutes``.
2. A connection ends after ``connection_minutes``, give or take a tenth, so that callers spread again over workers
   and vaults that were added or came back. Its calls in flight finish first: they have ``AGE_GRACE_SECONDS``.
3. Pings are answered, but not more than one each 5 s from a connection without streams, nor many more than its
   frames from any other; who sends more is cut off.
4. Metadata above ``MOST_METADATA_BYTES`` and requests above what any method takes are refused by gRPC itself, with
   RESOURCE_EXHAUSTED and no details.
5. Of calls that nobody has looked at, ``waiting_calls`` wait. Of those that come when three quarters as many wait, some
   are reset, and beyond it each, which costs a tenth of an answer. Their callers see CANCELLED; nothing was begun.
   That holds for each method of ValidationService, for health checks, and for all other methods together: each of
   these waits in a queue of its own (see ``rpc.server``).

Not bounded here: how often a caller connects. A TLS handshake costs milliseconds; put a limit in front.
"""

import resource
from dataclasses import dataclass

HANDSHAKE_SECONDS = 10
AGE_GRACE_SECONDS = 60
MOST_METADATA_BYTES = 16 * 1024
STREAMS_OF_A_CONNECTION = 1024
LEAST_PING_SECONDS = 5
PING_STRIKES = 3
MINUTE_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class ServingLimits:
    """Bounds of one process; ``vault.config`` says what each means, and its range."""

    calls_in_flight: int = 512
    open_streams: int = 256
    waiting_calls: int = 512
    queue_ms: int = 100
    least_deadline_ms: int = 10
    connections: int = 10_000
    connection_minutes: int = 30
    idle_minutes: int = 15


def server_options(limits: ServingLimits, largest_request: int) -> tuple[tuple[str, int], ...]:
    """Return gRPC's arguments for a server.

    Args:
        limits: The process's bounds.
        largest_request: Bytes of the largest legal request of any method.
    """
    return (
        ("grpc.so_reuseport", 1),
        ("grpc.max_receive_message_length", largest_request),
        ("grpc.max_send_message_length", -1),  # answers are bounded by the vault itself
        ("grpc.max_metadata_size", MOST_METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),  # between the two gRPC refuses at random
        ("grpc.max_concurrent_streams", STREAMS_OF_A_CONNECTION),
        ("grpc.max_allowed_incoming_connections", limits.connections),
        ("grpc.server.max_pending_requests", limits.waiting_calls * 3 // 4),
        ("grpc.server.max_pending_requests_hard_limit", limits.waiting_calls),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
        ("grpc.http2.settings_timeout", HANDSHAKE_SECONDS * 1000),
        ("grpc.max_connection_idle_ms", limits.idle_minutes * MINUTE_MS),
        ("grpc.max_connection_age_ms", limits.connection_minutes * MINUTE_MS),
        ("grpc.max_connection_age_grace_ms", AGE_GRACE_SECONDS * 1000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.ping_timeout_ms", 20_000),  # its default, a minute, holds whatever keepalive_timeout_ms says
        # Clients ask for a sign of life every 10 s while calls are in flight; twice that often is not held
        # against them.
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_SECONDS * 1000),
        ("grpc.http2.max_ping_strikes", PING_STRIKES),
        ("grpc.enable_channelz", 1),  # counts calls for rpc.backlog; nothing of it is served
        ("grpc.max_channel_trace_event_memory_per_node", 0),
    )


def raise_open_files() -> int:
    """Raise the process's limit of open files as far as it may itself, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
