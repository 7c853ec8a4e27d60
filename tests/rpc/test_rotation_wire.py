"""Jobs and incidents between messages and model."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from vault.errors import InvalidInput
from vault.formats.v1.job_record_pb2 import JobProgress, JobSpec
from vault.model.incident_rows import BlockRow, HoldRow, IncidentRow, PackageRow
from vault.model.rows import JobRow
from vault.model.states import (
    CardState,
    HoldKind,
    IncidentScope,
    IncidentState,
    JobKind,
    JobState,
    Proof,
    Unsold,
    Usage,
)
from vault.rpc import incident_wire, rotation_wire
from vault.rpc.wire import uuid_text
from vault.service.rotation.cardsource import INCIDENT
from vault.service.rotation.jobview import PHASES, JobView
from vault.service.rotation.lineage import ReissuedCard
from vault.v1 import incident_service_pb2 as incidents
from vault.v1.resources_pb2 import (
    USAGE_IN_USE,
    USAGE_UNUSED,
    Card,
    CardCount,
    CardList,
    CardSelector,
    Manifest,
    RotationJob,
)
from vault.v1.rotation_service_pb2 import CardFilter, CreateRotationJobRequest, KeyMove, Reissue

ONE, TWO, THREE = bytes([1] * 16), bytes([2] * 16), bytes([3] * 16)
SHA256 = bytes(32)


JOB = JobRow(
    job_id=ONE,
    kind=JobKind.REKEY,
    program="netcash",
    subject=ONE,
    state=JobState.RUNNING,
    principal="spiffe://cardvault.dev/officer",
    total_count=900,
    done_count=500,
    error_count=2,
    last_error="ROW_TAG",
    cursor=7,
    created_ms=1_000,
    finished_ms=None,
    tag=b"",
    lease_owner=None,
    lease_until_ms=0,
)


def test_a_reissue_is_ordered_as_it_was_asked_for() -> None:
    wanted = CardFilter(
        batch_ids=[uuid_text(TWO)],
        states=[Card.STATE_ACTIVE],
        usages=[USAGE_UNUSED, USAGE_IN_USE],
        issued_from=Timestamp(seconds=5),
        issued_before=Timestamp(seconds=9),
    )
    work = Reissue(
        incident_id=uuid_text(ONE),
        filter=wanted,
        unsold=Reissue.UNSOLD_WITHDRAW,
        recipient="printer",
        package_unsold_only=True,
        await_start=True,
    )
    request = CreateRotationJobRequest(program="netcash", reissue=work, rest=Duration(seconds=2), note="why")
    order = rotation_wire.order(request)
    assert (order.kind, order.program, order.rest_ms, order.note) == (JobKind.REISSUE, "netcash", 2000, "why")
    assert order.reissue is not None
    assert order.reissue.incident_id == ONE
    assert order.reissue.cards is None
    assert order.reissue.wanted == ([TWO], [CardState.ACTIVE], [Usage.UNUSED, Usage.IN_USE], 5_000, 9_000)
    assert order.reissue[3:] == (Unsold.WITHDRAW, "printer", True, True)


def test_chosen_cards_and_defaults_of_a_reissue() -> None:
    cards = CardList(cards=[CardSelector(card_id=uuid_text(ONE)), CardSelector(serial="A0123456789BC")])
    order = rotation_wire.order(CreateRotationJobRequest(program="netcash", reissue=Reissue(cards=cards))).reissue
    assert order is not None
    assert order.cards is not None
    assert [(card.card_id, card.serial) for card in order.cards] == [(ONE, ""), (None, "A0123456789BC")]
    assert (order.wanted.states, order.wanted.issued_from_ms, order.unsold) == ([], 0, Unsold.REISSUE)
    whole = rotation_wire.order(CreateRotationJobRequest(program="netcash", reissue=Reissue(whole_program=True)))
    assert whole.reissue is not None
    assert (whole.reissue.incident_id, whole.reissue.cards) == (b"", None)


def test_issued_before_the_epoch_is_nothing_rather_than_everything() -> None:
    work = Reissue(whole_program=True, filter=CardFilter(issued_before=Timestamp(nanos=999)))
    order = rotation_wire.order(CreateRotationJobRequest(program="netcash", reissue=work))
    with pytest.raises(InvalidInput) as refused:
        order.spec()
    assert (refused.value.reason, refused.value.field) == ("TIMES", "reissue.filter.issued_before")


@pytest.mark.parametrize("name", ["rekey", "rewrap", "reencrypt", "retag"])
def test_a_move_of_keys_is_ordered_by_its_name(name: str) -> None:
    request = CreateRotationJobRequest()
    getattr(request, name).CopyFrom(KeyMove())
    order = rotation_wire.order(request)
    assert (order.kind, order.reissue) == (JobKind[name.upper()], None)


def test_a_job_is_told_with_its_counts_phase_and_times() -> None:
    progress = JobProgress(phase=1, seen_count=510, withdrawn_count=3, skipped_count=4)
    told = rotation_wire.job(JobView(JOB._replace(finished_ms=2_500), JobSpec(), progress))
    assert told == RotationJob(
        job_id=uuid_text(ONE),
        program="netcash",
        kind=RotationJob.KIND_REKEY,
        state=RotationJob.STATE_RUNNING,
        principal="spiffe://cardvault.dev/officer",
        total_count=900,
        seen_count=510,
        done_count=500,
        withdrawn_count=3,
        skipped_count=4,
        error_count=2,
        last_error="ROW_TAG",
        phase=PHASES[JobKind.REKEY][1],
        create_time=Timestamp(seconds=1),
        finish_time=Timestamp(seconds=2, nanos=500_000_000),
    )


def test_an_incidents_reissue_names_it_and_its_package() -> None:
    row = JOB._replace(kind=JobKind.REISSUE, subject=TWO, state=JobState.DONE)
    package = PackageRow(ONE, "netcash", "printer", b"", b"", 7, 900, SHA256, None, b"")
    told = rotation_wire.job(JobView(row, JobSpec(source=INCIDENT), JobProgress(), package))
    assert told.incident_id == uuid_text(TWO)
    assert told.manifest == Manifest(entries=7, size_bytes=900, sha256=SHA256)
    never_exported = package._replace(manifest_sha256=None)
    assert not rotation_wire.job(JobView(row, JobSpec(), JobProgress(), never_exported)).HasField("manifest")


def test_a_reissued_card_is_told_by_its_serials() -> None:
    told = rotation_wire.reissued(ReissuedCard(ONE, "OLD", "NEW", 2, CardState.ACTIVE, 1_000))
    assert (told.card_id, told.superseded_serial, told.serial) == (uuid_text(ONE), "OLD", "NEW")
    assert (told.generation, told.state, told.reissue_time.seconds) == (2, Card.STATE_ACTIVE, 1)


def test_an_incident_is_told_with_what_is_in_force() -> None:
    row = IncidentRow(
        incident_id=ONE,
        program="netcash",
        state=IncidentState.FROZEN,
        title="lot of May",
        scope=IncidentScope.BATCHES,
        batch_ids=TWO + THREE,
        card_count=0,
        serials_leaked=1,
        stops_issuance=1,
        exchange_proof=Proof.SALE_SECRET,
        exchange_from_ms=5_000,
        exchange_until_ms=9_000,
        principal="spiffe://cardvault.dev/officer",
        created_ms=1_000,
        frozen_ms=2_000,
        thawed_ms=None,
        closed_ms=None,
        revision=3,
        tag=b"",
    )
    told = incident_wire.incident(row)
    assert (told.state, told.scope) == (incidents.Incident.STATE_FROZEN, incidents.Incident.SCOPE_BATCHES)
    assert told.batch_ids == [uuid_text(TWO), uuid_text(THREE)]
    assert (told.serials_leaked, told.stops_issuance) == (True, True)
    assert (told.exchange_proof, told.exchange_until.seconds) == (incidents.Incident.PROOF_SALE_SECRET, 9)
    assert told.HasField("freeze_time")
    assert not told.HasField("thaw_time")
    assert told.etag
    validated = incident_wire.incident(row._replace(incident_id=b"", exchange_proof=None))
    assert (validated.incident_id, validated.etag, validated.exchange_proof) == ("", "", 0)


def test_counts_are_told_in_their_order() -> None:
    counts = {(CardState.ACTIVE, Usage.IN_USE): 2, (CardState.INACTIVE, Usage.UNUSED): 3}
    assert incident_wire.counts(counts.items()) == [
        CardCount(state=Card.STATE_INACTIVE, usage=USAGE_UNUSED, count=3),
        CardCount(state=Card.STATE_ACTIVE, usage=USAGE_IN_USE, count=2),
    ]


def test_a_hold_tells_how_many_and_only_a_contested_one_its_card() -> None:
    frozen = incident_wire.hold(HoldRow(ONE, "netcash", ONE, HoldKind.CARDS, TWO + THREE, 0, 1_000, b""))
    assert (frozen.kind, frozen.count, frozen.card_id) == (incidents.Hold.KIND_CARDS, 2, "")
    contested = incident_wire.hold(HoldRow(TWO, "netcash", ONE, HoldKind.CONTESTED, TWO, 0, 1_000, b""))
    assert (contested.count, contested.card_id, contested.incident_id) == (1, uuid_text(TWO), uuid_text(ONE))


def test_a_blocked_principal_is_told_with_why() -> None:
    told = incident_wire.blocked(BlockRow("", "shop", None, "read the lot", "officer", 1_000, b""))
    assert (told.principal, told.program, told.incident_id) == ("shop", "", "")
    assert (told.note, told.blocked_by, told.block_time.seconds) == ("read the lot", "officer", 1)
