"""Between RotationService's messages and the model; ``rpc.wire`` says what holds for all."""

from vault.model.incident_rows import PackageRow
from vault.model.states import CardState, JobKind, Unsold, Usage
from vault.rpc import wire
from vault.service.rotation.joborder import CardsWanted, ReissueOrder, RotationOrder
from vault.service.rotation.jobview import JobView
from vault.service.rotation.keyversions import KeyView
from vault.service.rotation.lineage import ReissuedCard
from vault.v1 import resources_pb2 as res
from vault.v1 import rotation_service_pb2 as pb

_KINDS = {
    "reissue": JobKind.REISSUE,
    "rekey": JobKind.REKEY,
    "rewrap": JobKind.REWRAP,
    "reencrypt": JobKind.REENCRYPT,
    "retag": JobKind.RETAG,
}


def order(request: pb.CreateRotationJobRequest) -> RotationOrder:
    """Return what a request orders, whose ``work`` is set."""
    work = request.WhichOneof("work") or ""
    return RotationOrder(
        _KINDS[work],
        request.program,
        _reissue(request.reissue) if work == "reissue" else None,
        request.rest.seconds * 1000,
        request.note,
    )


def _reissue(message: pb.Reissue) -> ReissueOrder:
    wanted = message.filter
    return ReissueOrder(
        incident_id=wire.uuid_bytes(message.incident_id),
        cards=wire.selectors(message.cards.cards) if message.HasField("cards") else None,
        wanted=CardsWanted(
            [wire.uuid_bytes(batch_id) for batch_id in wanted.batch_ids],
            [CardState(state) for state in wanted.states],
            [Usage(usage) for usage in wanted.usages],
            wire.milliseconds(wanted, "issued_from") or 0,
            _before(wanted),
        ),
        unsold=Unsold(message.unsold or Unsold.REISSUE),
        recipient=message.recipient,
        package_unsold_only=message.package_unsold_only,
        await_start=message.await_start,
    )


def _before(wanted: pb.CardFilter) -> int:
    """Return the end of a filter's times; of the one that 0 stands for none, the millisecond before."""
    issued_before = wire.milliseconds(wanted, "issued_before")
    return 0 if issued_before is None else issued_before or -1


def job(view: JobView) -> res.RotationJob:
    """Return a job."""
    row, progress = view.row, view.progress
    return res.RotationJob(
        job_id=wire.uuid_text(row.job_id),
        program=row.program,
        kind=res.RotationJob.Kind.ValueType(row.kind),
        state=res.RotationJob.State.ValueType(row.state),
        incident_id=wire.uuid_text(view.incident_id),
        principal=row.principal,
        total_count=row.total_count,
        seen_count=progress.seen_count,
        done_count=row.done_count,
        withdrawn_count=progress.withdrawn_count,
        skipped_count=progress.skipped_count,
        error_count=row.error_count,
        last_error=row.last_error,
        phase=view.phase,
        create_time=wire.timestamp(row.created_ms),
        finish_time=wire.timestamp(row.finished_ms),
        manifest=_manifest(view.package),
        recipient=view.spec.recipient,
        acknowledge_time=wire.timestamp(None if view.package is None else view.package.acknowledged_ms),
    )


def reissued(card: ReissuedCard) -> pb.ReissuedCard:
    """Return a card that was given a new code."""
    return pb.ReissuedCard(
        card_id=wire.uuid_text(card.card_id),
        superseded_serial=card.superseded_serial,
        serial=card.serial,
        generation=card.generation,
        state=res.Card.State.ValueType(card.state),
        reissue_time=wire.timestamp(card.reissued_ms),
    )


def key_version(view: KeyView) -> pb.KeyVersion:
    """Return a version of a key; never the key."""
    row = view.row
    return pb.KeyVersion(
        purpose=pb.KeyVersion.Purpose.ValueType(row.purpose),
        program=row.program,
        version=row.version,
        state=pb.KeyVersion.State.ValueType(row.state),
        root_version=view.root_version,
        row_count=view.row_count,
        create_time=wire.timestamp(row.created_ms),
        activate_time=wire.timestamp(row.activated_ms),
        deactivate_time=wire.timestamp(row.deactivated_ms),
    )


def _manifest(package: PackageRow | None) -> res.Manifest | None:
    if package is None or package.manifest_sha256 is None:
        return None
    return res.Manifest(
        entries=package.manifest_entries or 0,
        size_bytes=package.manifest_size or 0,
        sha256=package.manifest_sha256,
    )
