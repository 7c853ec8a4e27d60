"""One audit event, from what is known of it to its bytes.

1. The bytes are made once, by ``encode``, and are what is stored and chained.
2. An event holds ids, outcomes and row tags; there is no field that could take a code, a digest or a key.

Every call that was allowed has one event, and so has each chunk of a job. Calls refused for want of permission
have one too.
"""

from collections.abc import Sequence
from typing import NamedTuple

from vault.errors import IntegrityFailure
from vault.formats.v1 import audit_event_pb2

FORMAT = 1


class Item(NamedTuple):
    """What became of one card; row tags are empty where nothing changed."""

    card_id: bytes
    outcome: str
    tag_before: bytes = b""
    tag_after: bytes = b""


class Event(NamedTuple):
    """What one call, or one chunk of a job, did. The fields are those of ``vault.formats.v1.AuditEvent``."""

    action: str
    principal: str = ""
    program: str = ""
    correlation_id: str = ""
    request_id: str = ""
    status: str = "OK"
    reason: str = ""
    subject: str = ""
    note: str = ""
    delivered: bool = False
    items: Sequence[Item] = ()
    file_sha256: bytes = b""
    trace_id: str = ""
    parent_id: str = ""


def encode(event: Event, *, writer_id: bytes, counter: int, time_ms: int) -> bytes:
    """Return the event's bytes, in the format that is stored for ever."""
    message = audit_event_pb2.AuditEvent(
        format=FORMAT,
        writer_id=writer_id,
        counter=counter,
        time_ms=time_ms,
        action=event.action,
        principal=event.principal,
        program=event.program,
        correlation_id=event.correlation_id,
        request_id=event.request_id,
        status=event.status,
        reason=event.reason,
        subject=event.subject,
        note=event.note,
        delivered=event.delivered,
        file_sha256=event.file_sha256,
        trace_id=event.trace_id,
        parent_id=event.parent_id,
    )
    add = message.items.add
    for card_id, outcome, tag_before, tag_after in event.items:
        add(card_id=card_id, outcome=outcome, tag_before=tag_before, tag_after=tag_after)
    return message.SerializeToString()


def decode(data: bytes) -> audit_event_pb2.AuditEvent:
    """Read an event's stored bytes.

    Raises:
        IntegrityFailure: They are not an event of a format that this release knows.
    """
    message = audit_event_pb2.AuditEvent()
    try:
        message.ParseFromString(data)
    except Exception as error:  # protobuf's DecodeError has no public home that every runtime shares
        raise IntegrityFailure("a stored audit event cannot be read", reason="AUDIT_EVENT") from error
    if message.format != FORMAT:
        raise IntegrityFailure("a stored audit event has an unknown format", reason="AUDIT_EVENT")
    return message
