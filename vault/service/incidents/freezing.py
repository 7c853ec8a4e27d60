"""Freezing what an incident is over, and thawing it.

1. When a freeze is answered, every answer of every process obeys it: the transaction that lays the hold raises
   the catalogue number, and the store is settled before the answer leaves.
2. A hold is one row. Over a program or batches it costs the same at any size and covers what is issued
   meanwhile; over chosen cards it holds exactly the cards of the selection, each row of which was verified, all
   or none.
3. Nothing of the cards changes, so thawing gives back exactly what they have become meanwhile.
4. Chosen cards are read outside of the transaction; it goes through only if the incident is still as it was
   then.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from vault.errors import FailedPrecondition, IntegrityFailure, Unavailable
from vault.model.incident_rows import HoldRow, IncidentRow
from vault.model.shape import SHAPES
from vault.model.states import IncidentScope, IncidentState
from vault.policy.call import Call
from vault.service.holds import ID_SIZE
from vault.service.incidents.incidents import IncidentView, count_incident, dry, replay
from vault.service.incidents.timeline import act, incident_event, open_incident_of
from vault.service.incidents.triage import Triage
from vault.service.issuing.preparation import until_fresh
from vault.service.measures import KINDS
from vault.service.recorder import Recorded, Recorder, Scope
from vault.stores.protocol import Transaction

PIECE: Final = 5000
"""Cards of a selection read and verified at a time, about 20 ms."""


class _Chosen(NamedTuple):
    """What is to be held, and the incident that it was read for."""

    incident: IncidentRow
    ids: bytes


class Freezing:
    """Freezes and thaws incidents."""

    def __init__(self, recorder: Recorder, triage: Triage) -> None:
        self._recorder = recorder
        self._triage = triage

    async def freeze(
        self, call: Call, program: str, incident_id: bytes, *, stop_issuance: bool, validate_only: bool
    ) -> IncidentView:
        """Freeze what an incident is over, and count its cards, save for a whole program that is really frozen.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: The incident is closed, frozen already, or over cards of which none was chosen
                yet.
            IntegrityFailure: A row is not what the vault wrote, or rows of the selection are missing.
            Unavailable: It could not be made sure that every process obeys; try again.
        """
        once = dry(call, validate_only)

        async def attempt() -> IncidentRow:
            answered = await self._recorder.answered(once)
            chosen = None if answered else await self._choose(program, incident_id)

            def work(scope: Scope) -> Recorded[IncidentRow]:
                if chosen is None:
                    raise Unavailable("the request was swept meanwhile; try again", reason="STALE")
                return self._freeze(scope, call, chosen, stop_issuance=stop_issuance, validate_only=validate_only)

            return await self._recorder.once(once, work, replay(call, program))

        row = await until_fresh(attempt)
        if not validate_only:
            await self._recorder.store.settle()
        counted = validate_only or row.scope != IncidentScope.PROGRAM
        return IncidentView(row, await count_incident(self._triage, row) if counted else {})

    async def thaw(self, call: Call, program: str, incident_id: bytes, *, validate_only: bool) -> IncidentRow:
        """Lift an incident's freeze.

        Raises:
            NotFound: There is no such program, or no such incident in it.
            FailedPrecondition: INCIDENT_NOT_FROZEN: it is not frozen.
            IntegrityFailure: A row is not what the vault wrote.
        """

        def work(scope: Scope) -> Recorded[IncidentRow]:
            row = open_incident_of(scope, program, incident_id)
            if row.state != IncidentState.FROZEN:
                raise FailedPrecondition("the incident is not frozen", reason="INCIDENT_NOT_FROZEN")
            thawed = row._replace(state=IncidentState.OPEN, stops_issuance=0, thawed_ms=scope.now_ms)
            event = incident_event(call, program, incident_id)
            if validate_only:
                return Recorded(thawed, event._replace(reason="VALIDATE_ONLY"))
            scope.tx.holds.delete(incident_id)
            changed = act(scope, call, thawed, count=row.card_count)
            self._recorder.catalogue.bump(scope.tx)
            return Recorded(changed, event)

        return await self._recorder.once(dry(call, validate_only), work, replay(call, program))

    async def _choose(self, program: str, incident_id: bytes) -> _Chosen:
        """Read what is to be held, in pieces, so that nobody waits for it long."""
        read = self._recorder.store.read
        incident = await read(lambda tx: _freezable(self._recorder.scope(tx), program, incident_id))
        if incident.scope != IncidentScope.CARDS:
            return _Chosen(incident, incident.batch_ids)
        pieces: list[bytes] = []
        while True:
            piece = await read(self._reader(incident_id, pieces[-1][-ID_SIZE:] if pieces else b""))
            if not piece:
                return _Chosen(incident, b"".join(pieces))
            pieces.append(piece)

    def _reader(self, incident_id: bytes, after: bytes) -> Callable[[Transaction], bytes]:
        def read(tx: Transaction) -> bytes:
            rows = tx.selections.page(incident_id, after, PIECE)
            self._recorder.catalogue.at(tx).tagger.verify_many(SHAPES["selection"], rows)
            return b"".join([row.card_id for row in rows])

        return read

    def _freeze(
        self, scope: Scope, call: Call, chosen: _Chosen, *, stop_issuance: bool, validate_only: bool
    ) -> Recorded[IncidentRow]:
        before = chosen.incident
        row = _freezable(scope, before.program, before.incident_id)
        if row.revision != before.revision:
            raise Unavailable("the incident has changed meanwhile; try again", reason="STALE", retry_seconds=0.0)
        if row.scope == IncidentScope.CARDS and len(chosen.ids) != row.card_count * ID_SIZE:
            raise IntegrityFailure("cards of the incident's selection are missing", reason="SELECTION")
        stops = int(stop_issuance)
        frozen = row._replace(state=IncidentState.FROZEN, frozen_ms=scope.now_ms, stops_issuance=stops)
        event = incident_event(call, row.program, row.incident_id)
        if validate_only:
            return Recorded(frozen, event._replace(reason="VALIDATE_ONLY"))
        hold = HoldRow(
            row.incident_id,
            row.program,
            row.incident_id,
            KINDS[row.scope],
            chosen.ids,
            stops,
            scope.now_ms,
            b"",
        )
        scope.tx.holds.insert(scope.snapshot.tagger.tagged(SHAPES["hold"], hold))
        changed = act(scope, call, frozen, count=row.card_count)
        self._recorder.catalogue.bump(scope.tx)
        return Recorded(changed, event)


def _freezable(scope: Scope, program: str, incident_id: bytes) -> IncidentRow:
    row = open_incident_of(scope, program, incident_id)
    if row.state == IncidentState.FROZEN:
        raise FailedPrecondition("the incident is frozen already", reason="INCIDENT_FROZEN")
    if row.scope == IncidentScope.CARDS and not row.card_count:
        raise FailedPrecondition("no card was chosen yet", reason="SELECTION_EMPTY")
    return row
