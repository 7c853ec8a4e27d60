"""Cutting a principal off, and letting it in again.

1. When a block is answered, every answer of every process obeys it: the catalogue number rises in its
   transaction, and the store is settled before the answer leaves. What the principal is being streamed ends
   with the next slice.
2. A block is for one program or for all; of the two, each is lifted by itself.
3. Nobody blocks themselves, so there is always an officer left who can undo it.

Jobs that a principal began go on; whoever wants them ended cancels them. The access file, which is deployed, is
the place to deny a principal for good.
"""

from vault.errors import FailedPrecondition, NotFound
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.incident_rows import BlockRow
from vault.model.shape import SHAPES
from vault.policy.call import Call
from vault.service.incidents.timeline import act, open_incident_of
from vault.service.recorder import Recorded, Recorder, Replay, Scope, event_of


class Blocks:
    """Blocks principals and lists who is blocked."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def block(self, call: Call, program: str, principal: str, incident_id: bytes | None, note: str) -> BlockRow:
        """Cut a principal off, for a program or (empty) for all, in place of such a block from before.

        Raises:
            FailedPrecondition: OWN_PRINCIPAL: it is the caller's own; INCIDENT_CLOSED: the incident is closed.
            NotFound: There is no such program, or no such incident in it.
            Unavailable: It could not be made sure that every process obeys; try again.
        """
        if principal == call.principal:
            raise FailedPrecondition("nobody blocks themselves", reason="OWN_PRINCIPAL", field="principal")

        def work(scope: Scope) -> Recorded[BlockRow]:
            if program:
                scope.snapshot.program(program)
            row = BlockRow(program, principal, incident_id, note, call.principal, scope.now_ms, b"")
            row = scope.snapshot.tagger.tagged(SHAPES["block"], row)
            self._take_down(scope, call, row, note)
            scope.tx.blocks.put(row)
            self._recorder.catalogue.bump(scope.tx)
            event = event_of(call, program=program)._replace(subject=principal, note=note)
            return Recorded(row, event)

        def keep(row: BlockRow) -> RequestResult:
            return RequestResult(time_ms=row.created_ms)

        def restore(_: Scope, kept: RequestResult) -> Recorded[BlockRow]:
            row = BlockRow(program, principal, incident_id, note, call.principal, kept.time_ms, b"")
            return Recorded(row, event_of(call, program=program)._replace(subject=principal, note=note))

        row = await self._recorder.once(call, work, Replay(keep, restore))
        await self._recorder.store.settle()
        return row

    async def unblock(self, call: Call, program: str, principal: str) -> None:
        """Let a principal in again, for a program or (empty) for all.

        Raises:
            NotFound: PRINCIPAL_NOT_BLOCKED: it is not blocked for this program, or for all.
        """
        event = event_of(call, program=program)._replace(subject=principal)

        def work(scope: Scope) -> Recorded[None]:
            row = next((row for row in scope.snapshot.blocks if row[:2] == (program, principal)), None)
            if row is None:
                raise NotFound("the principal is not blocked", reason="PRINCIPAL_NOT_BLOCKED", field="principal")
            if row.incident_id in scope.snapshot.incidents:
                self._take_down(scope, call, row, "")
            scope.tx.blocks.delete(program, principal)
            self._recorder.catalogue.bump(scope.tx)
            return Recorded(None, event)

        replay: Replay[None] = Replay(lambda _: RequestResult(), lambda _, __: Recorded(None, event))
        await self._recorder.once(call, work, replay)

    async def all(self, call: Call, program: str) -> list[BlockRow]:
        """Return the blocks of a program, those for all programs included; without a program, every block.

        Raises:
            NotFound: There is no such program.
        """

        def work(scope: Scope) -> Recorded[list[BlockRow]]:
            if program:
                scope.snapshot.program(program)
            rows = [row for row in scope.snapshot.blocks if not program or row.program in ("", program)]
            return Recorded(rows, event_of(call, program=program))

        return await self._recorder.record(work, call)

    def _take_down(self, scope: Scope, call: Call, row: BlockRow, note: str) -> None:
        """Take a block, or the end of one, down in the timeline of the incident that it belongs to."""
        if row.incident_id is None:
            return
        known = scope.snapshot.incidents.get(row.incident_id)
        program = row.program or ("" if known is None else known.program)
        if not program:
            raise NotFound("there is no such open incident", reason="INCIDENT_NOT_FOUND", field="incident_id")
        incident = open_incident_of(scope, program, row.incident_id)
        act(scope, call, incident, note=f"{row.principal}: {note}" if note else row.principal)
