from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool

from vault.model.states import Role
from vault.rpc.contract import SERVICES, BrokenContract, check_contract, methods, request_fields
from vault.v1 import options_pb2

FIELD = descriptor_pb2.FieldDescriptorProto


def test_every_method_and_request_field_is_declared() -> None:
    check_contract()
    assert len(SERVICES) == 8
    assert len(methods()) == 67
    requests: list[Any] = [method.request.DESCRIPTOR for method in methods()]
    assert {field.full_name for request in requests for field in request_fields(request)} >= {
        "vault.v1.PresentedCode.code",
        "vault.v1.NewCard.payload",
    }


def test_roles_in_the_protos_are_those_of_the_model() -> None:
    assert {name: number for name, number in options_pb2.Role.items() if number} == {
        f"ROLE_{role.name}": role.value for role in Role
    }


def service(*, access: bool = True, streams: bool = False, **field: Any) -> Any:
    """Return a service with one method whose request has one good field, or one changed as given."""
    options = field.pop("options", descriptor_pb2.FieldOptions())
    behaviour = field.pop("behaviour", True)
    file = descriptor_pb2.FileDescriptorProto(name="t.proto", package="t", syntax="proto3")
    for imported in ("vault/v1/options.proto", "google/api/field_behavior.proto", "google/protobuf/duration.proto"):
        file.dependency.append(imported)
    request = file.message_type.add(name="Request")
    if behaviour:
        options.Extensions[field_behavior_pb2.field_behavior].append(field_behavior_pb2.OPTIONAL)
    request.field.add(
        **{"name": "f", "number": 1, "label": FIELD.LABEL_OPTIONAL, "type": FIELD.TYPE_STRING, **field}, options=options
    )
    method = file.service.add(name="S").method.add(
        name="M", input_type=".t.Request", output_type=".t.Request", client_streaming=streams
    )
    if access:
        method.options.Extensions[options_pb2.access].role = options_pb2.ROLE_KEEPER
    pool = DescriptorPool()
    for known in (
        "google/protobuf/descriptor.proto",
        "google/protobuf/duration.proto",
        "google/api/field_behavior.proto",
        "vault/v1/options.proto",
    ):
        copy = descriptor_pb2.FileDescriptorProto()
        from google.protobuf.descriptor_pool import Default  # noqa: PLC0415  beside its only use

        Default().FindFileByName(known).CopyToProto(copy)
        pool.Add(copy)
    pool.Add(file)
    return pool.FindServiceByName("t.S")


def bounds(**values: Any) -> descriptor_pb2.FieldOptions:
    options = descriptor_pb2.FieldOptions()
    options.Extensions[options_pb2.bounds].CopyFrom(options_pb2.Bounds(**values))
    return options


def test_a_whole_contract_passes() -> None:
    check_contract([service(options=bounds(max_length=1))])


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"access": False, "options": bounds(max_length=1)}, "has no .vault.v1.access."),
        ({"streams": True, "options": bounds(max_length=1)}, "stream of requests"),
        ({"behaviour": False, "options": bounds(max_length=1)}, "t.Request.f has no .google.api.field_behavior"),
        ({}, "t.Request.f has no max_length"),
        ({"type": FIELD.TYPE_BYTES}, "has no max_length"),
        ({"type": FIELD.TYPE_INT64, "options": bounds(minimum=0)}, "has no minimum and maximum"),
        ({"type": FIELD.TYPE_DOUBLE}, "has no minimum and maximum"),
        ({"type": FIELD.TYPE_MESSAGE, "type_name": ".google.protobuf.Duration"}, "has no minimum and maximum"),
        ({"label": FIELD.LABEL_REPEATED, "options": bounds(max_length=1)}, "has no max_items"),
        ({"options": bounds(max_length=1, pattern="(?=a)b")}, "not common"),
        ({"options": bounds(max_length=1, pattern=r"(a)\1")}, "not common"),
        ({"options": bounds(max_length=1, pattern="(")}, "not common"),
    ],
)
def test_what_is_not_declared_is_refused_by_name(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(BrokenContract, match=problem):
        check_contract([service(**changed)])
