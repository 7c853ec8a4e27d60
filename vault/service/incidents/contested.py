"""Holds as officers see them, and lifting the hold over one card whose exchange was claimed twice.

1. A freeze is lifted by thawing its incident, never here, so an incident and its hold always tell the same
   story.
2. Of a hold over a million cards a list shows the number.
"""

from uuid import UUID

from vault.audit.event import Item
from vault.errors import FailedPrecondition, NotFound
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.incident_rows import HoldRow
from vault.model.shape import SHAPES
from vault.model.states import HoldKind
from vault.policy.call import Call
from vault.service.incidents.timeline import act, incident_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of


class Contested:
    """Lists holds, and lifts those over single cards."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def page(self, call: Call, program: str, after: bytes, limit: int) -> list[HoldRow]:
        """Return up to ``limit`` holds of a program with ids after ``after``, by id.

        Raises:
            NotFound: There is no such program.
        """

        def work(scope: Scope) -> Recorded[list[HoldRow]]:
            scope.snapshot.program(program)
            rows = [row for row in scope.snapshot.measures.laid if row.program == program and row.hold_id > after]
            return Recorded(rows[:limit], event_of(call, program=program))

        return await self._recorder.record(work, call)

    async def release(self, call: Call, program: str, hold_id: bytes, note: str) -> None:
        """Lift the hold over a contested card.

        Raises:
            NotFound: There is no such program, or no such hold in it.
            FailedPrecondition: NOT_CONTESTED: it is a freeze; thaw its incident.
        """

        def work(scope: Scope) -> Recorded[None]:
            scope.snapshot.program(program)
            hold = scope.tx.holds.get([hold_id]).get(hold_id)
            if hold is not None:
                scope.snapshot.tagger.verify(SHAPES["hold"], hold)
            if hold is None or hold.program != program:
                raise NotFound("there is no such hold in the program", reason="HOLD_NOT_FOUND", field="hold_id")
            if hold.kind != HoldKind.CONTESTED:
                message = "the hold is an incident's freeze; thaw the incident"
                raise FailedPrecondition(message, reason="NOT_CONTESTED", field="hold_id")
            scope.tx.holds.delete(hold_id)
            incident = incident_of(scope, program, hold.incident_id)
            act(scope, call, incident, count=1, note=f"card {UUID(bytes=hold.ids)}: {note}")
            self._recorder.catalogue.bump(scope.tx)
            event = event_of(call, program=program)._replace(subject=f"hold/{hold_id.hex()}", note=note)
            return Recorded(None, event._replace(items=[Item(hold.ids, "DONE")]))

        def restore(_: Scope, __: RequestResult) -> Recorded[None]:
            event = event_of(call, program=program)._replace(subject=f"hold/{hold_id.hex()}", note=note)
            return Recorded(None, event)

        await self._recorder.once(call, work, Replay(lambda _: RequestResult(), restore))
