"""Reading the audit log. Reading it is an event too."""

from typing import NamedTuple

from vault.audit.event import decode
from vault.errors import IntegrityFailure
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.policy.call import Call
from vault.service.recorder import Recorded, Recorder, Scope, event_of
from vault.stores.records import AuditPlace

FOREVER_MS = 1 << 62


class EventFilter(NamedTuple):
    """Which events to list: of a program (None: of all, those of none included), start ≤ time < end."""

    program: str | None = None
    start_ms: int = 0
    end_ms: int = FOREVER_MS


class EventView(NamedTuple):
    """An event as written, parsed, its chain value without the key version, and where it stands."""

    data: bytes
    event: AuditEvent
    chain: bytes
    place: AuditPlace


class Events:
    """Lists audit events."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def page(self, call: Call, wanted: EventFilter, after: AuditPlace | None, limit: int) -> list[EventView]:
        """Return up to ``limit`` events in the order of their time, from after a place.

        Raises:
            IntegrityFailure: An event cannot be read, or is not the one that its row says.
        """

        def look(scope: Scope) -> list[EventView]:
            rows = scope.tx.audit.page(wanted.program, wanted.start_ms, wanted.end_ms, after, limit)
            views = []
            for row in rows:
                event = decode(row.event)
                place = AuditPlace(event.time_ms, event.writer_id, event.counter)
                if (*place, event.program) != (row.recorded_ms, row.writer_id, row.counter, row.program):
                    raise IntegrityFailure("a stored audit event is not the one its row says", reason="AUDIT_EVENT")
                views.append(EventView(row.event, event, row.chain[4:], place))
            return views

        views = await self._recorder.listed(look)
        event = event_of(call, program=wanted.program or "")
        return await self._recorder.record(lambda _: Recorded(views, event), call)
