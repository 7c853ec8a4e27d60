"""What the protos and the model have in common, and how secrets are marked in them."""

from collections.abc import Iterator
from enum import IntEnum

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, FileDescriptor

from vault.formats.v1 import (
    audit_event_pb2,
    exchanged_code_pb2,
    job_record_pb2,
    package_entry_pb2,
    request_result_pb2,
)
from vault.model import states
from vault.rpc.contract import SERVICES
from vault.v1 import incident_service_pb2, options_pb2, resources_pb2, rotation_service_pb2

RESOURCES = resources_pb2.DESCRIPTOR
MIRRORED: list[tuple[type[IntEnum], EnumDescriptor]] = [
    (states.CheckAlgorithm, RESOURCES.enum_types_by_name["CheckAlgorithm"]),
    (states.Usage, RESOURCES.enum_types_by_name["Usage"]),
    (states.Detail, RESOURCES.enum_types_by_name["Detail"]),
    (states.ChangeOutcome, RESOURCES.enum_types_by_name["ChangeOutcome"]),
    (states.ProgramState, resources_pb2.Program.DESCRIPTOR.enum_types_by_name["State"]),
    (states.BatchState, resources_pb2.Batch.DESCRIPTOR.enum_types_by_name["State"]),
    (states.CardState, resources_pb2.Card.DESCRIPTOR.enum_types_by_name["State"]),
    (states.KeyState, resources_pb2.PublicKey.DESCRIPTOR.enum_types_by_name["State"]),
    (states.Role, options_pb2.DESCRIPTOR.enum_types_by_name["Role"]),
    (states.JobKind, resources_pb2.RotationJob.DESCRIPTOR.enum_types_by_name["Kind"]),
    (states.JobState, resources_pb2.RotationJob.DESCRIPTOR.enum_types_by_name["State"]),
    (states.Unsold, rotation_service_pb2.Reissue.DESCRIPTOR.enum_types_by_name["Unsold"]),
    (states.KeyPurpose, rotation_service_pb2.KeyVersion.DESCRIPTOR.enum_types_by_name["Purpose"]),
    (states.KeyState, rotation_service_pb2.KeyVersion.DESCRIPTOR.enum_types_by_name["State"]),
    (states.IncidentState, incident_service_pb2.Incident.DESCRIPTOR.enum_types_by_name["State"]),
    (states.IncidentScope, incident_service_pb2.Incident.DESCRIPTOR.enum_types_by_name["Scope"]),
    (states.Proof, incident_service_pb2.Incident.DESCRIPTOR.enum_types_by_name["Proof"]),
    (states.HoldKind, incident_service_pb2.Hold.DESCRIPTOR.enum_types_by_name["Kind"]),
]
# A good code has no reason against it; a destroyed key is no public key; batches' jobs are no rotation jobs.
ONLY_IN_MODEL = {
    ("vault.v1.Detail", "GOOD"),
    ("vault.v1.PublicKey.State", "DESTROYED"),
    ("vault.v1.RotationJob.Kind", "ISSUE_BATCH"),
    ("vault.v1.RotationJob.Kind", "CLOSE_BATCH"),
}

FILES: tuple[FileDescriptor, ...] = (
    *(service.file for service in SERVICES),
    rotation_service_pb2.DESCRIPTOR,
    incident_service_pb2.DESCRIPTOR,
    RESOURCES,
    audit_event_pb2.DESCRIPTOR,
    exchanged_code_pb2.DESCRIPTOR,
    job_record_pb2.DESCRIPTOR,
    package_entry_pb2.DESCRIPTOR,
    request_result_pb2.DESCRIPTOR,
)
SECRET_NAMES = {
    *("code", "codes", "payload", "record", "digits", "pin", "private_key"),
    *("secret", "secrets", "sale_secret", "sale_secrets"),
}
SECRETS = {
    "vault.v1.PresentedCode.code",
    "vault.v1.IssuedCard.code",
    "vault.v1.NewCard.payload",
    "vault.v1.GetRecordResponse.payload",
    "vault.v1.PutRecordRequest.payload",
    "vault.v1.RevealCodeResponse.code",
    "vault.v1.ReissueCardResponse.code",
    "vault.v1.ActivateCardsRequest.sale_secrets",
    "vault.v1.ExchangeCodeRequest.sale_secret",
    "vault.formats.v1.ExchangedCode.code",
    "vault.formats.v1.PackageEntry.code",
}


@pytest.mark.parametrize(("model", "proto"), MIRRORED, ids=lambda kind: getattr(kind, "full_name", ""))
def test_an_enum_has_the_same_numbers_in_the_model_and_in_the_protos(
    model: type[IntEnum], proto: EnumDescriptor
) -> None:
    zero = proto.values_by_number[0].name
    assert zero.endswith("_UNSPECIFIED")
    prefix = zero.removesuffix("UNSPECIFIED")
    told = {value.name.removeprefix(prefix): value.number for value in proto.values if value.number}
    held = {member.name: int(member) for member in model if (proto.full_name, member.name) not in ONLY_IN_MODEL}
    assert told == held


def test_every_field_that_holds_a_code_a_record_or_a_secret_is_marked() -> None:
    unmarked = [
        field.full_name
        for field in _fields()
        if field.name in SECRET_NAMES and _is_plain(field) and not field.GetOptions().debug_redact
    ]
    assert unmarked == []


def test_the_marked_fields_are_those_that_hold_a_code_a_record_or_a_secret() -> None:
    assert {field.full_name for field in _fields() if field.GetOptions().debug_redact} == SECRETS


def test_a_request_takes_its_code_inside_a_oneof() -> None:
    field = resources_pb2.PresentedCode.DESCRIPTOR.fields_by_name["code"]
    assert field.containing_oneof is not None
    direct = [
        method.input_type.full_name
        for service in SERVICES
        for method in service.methods
        for below in method.input_type.fields
        if below.name in {"code", "codes"} and _is_plain(below)
    ]
    assert direct == []


def _is_plain(field: FieldDescriptor) -> bool:
    return field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}


def _fields() -> Iterator[FieldDescriptor]:
    waiting: list[Descriptor] = [message for file in FILES for message in file.message_types_by_name.values()]
    while waiting:
        message = waiting.pop()
        waiting += message.nested_types
        yield from message.fields
