"""The check that whoever holds the audit chain's key can make over the events as stored."""

from collections import defaultdict

from tests.workshop import Workshop
from vault.audit.event import decode
from vault.crypto import chain
from vault.errors import IntegrityFailure
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.model.states import KeyPurpose


async def verify_chains(shop: Workshop) -> dict[bytes, list[AuditEvent]]:
    """Check every writer's chain from its first event on, and return the events by writer.

    Raises:
        IntegrityFailure: A link is not the one that its event and those before it make, or a copy is not the event's.
    """
    keyring = (await shop.store.read(shop.recorder.catalogue.at)).keyring
    links: dict[bytes, bytes] = defaultdict(lambda: chain.GENESIS)
    events: dict[bytes, list[AuditEvent]] = defaultdict(list)
    for row in sorted(shop.database.rows("audit_event"), key=lambda row: (row["writer_id"], row["counter"])):
        writer = row["writer_id"]
        key = keyring.get(KeyPurpose.AUDIT_CHAIN, "", int.from_bytes(row["chain"][:4], "big"))
        links[writer] = chain.advance(key.secret, links[writer], row["event"])
        event = decode(row["event"])
        events[writer].append(event)
        copies = (event.writer_id, event.counter, event.time_ms, event.program)
        if (
            row["chain"][4:] != links[writer]
            or row["counter"] != len(events[writer])
            or copies != (writer, row["counter"], row["recorded_ms"], row["program"])
        ):
            raise IntegrityFailure("a chain of audit events is broken")
    return events
