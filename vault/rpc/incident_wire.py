"""Between IncidentService's messages and the model; ``rpc.wire`` says what holds for all."""

from collections.abc import Iterable

from vault.model.incident_rows import BlockRow, HoldRow, IncidentRow
from vault.model.states import HoldKind
from vault.rpc import wire
from vault.service.etags import etag
from vault.service.holds import ID_SIZE, split_ids
from vault.v1 import incident_service_pb2 as pb
from vault.v1 import resources_pb2 as res


def incident(row: IncidentRow) -> pb.Incident:
    """Return an incident; without id and etag one that was only validated."""
    return pb.Incident(
        incident_id=wire.uuid_text(row.incident_id),
        program=row.program,
        state=pb.Incident.State.ValueType(row.state),
        title=row.title,
        scope=pb.Incident.Scope.ValueType(row.scope),
        batch_ids=[wire.uuid_text(batch_id) for batch_id in split_ids(row.batch_ids)],
        card_count=row.card_count,
        serials_leaked=bool(row.serials_leaked),
        stops_issuance=bool(row.stops_issuance),
        exchange_proof=pb.Incident.Proof.ValueType(row.exchange_proof or 0),
        exchange_from=wire.timestamp(row.exchange_from_ms),
        exchange_until=wire.timestamp(row.exchange_until_ms),
        principal=row.principal,
        create_time=wire.timestamp(row.created_ms),
        freeze_time=wire.timestamp(row.frozen_ms),
        thaw_time=wire.timestamp(row.thawed_ms),
        close_time=wire.timestamp(row.closed_ms),
        etag=etag(row.revision) if row.incident_id else "",
    )


def counts(found: Iterable[tuple[tuple[int, int], int]]) -> list[res.CardCount]:
    """Return cards counted by state and usage, in their order."""
    return [
        res.CardCount(state=res.Card.State.ValueType(state), usage=res.Usage.ValueType(usage), count=count)
        for (state, usage), count in sorted(found)
    ]


def hold(row: HoldRow) -> pb.Hold:
    """Return a hold."""
    return pb.Hold(
        hold_id=wire.uuid_text(row.hold_id),
        incident_id=wire.uuid_text(row.incident_id),
        kind=pb.Hold.Kind.ValueType(row.kind),
        count=len(row.ids) // ID_SIZE,
        card_id=wire.uuid_text(row.ids) if row.kind == HoldKind.CONTESTED else "",
        create_time=wire.timestamp(row.created_ms),
    )


def blocked(row: BlockRow) -> pb.BlockedPrincipal:
    """Return a principal that is blocked."""
    return pb.BlockedPrincipal(
        principal=row.principal,
        program=row.program,
        incident_id=wire.uuid_text(row.incident_id),
        note=row.note,
        blocked_by=row.blocked_by,
        block_time=wire.timestamp(row.created_ms),
    )
