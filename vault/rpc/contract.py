"""The contract as the descriptors of ``vault.v1`` state it: its methods, who may call them, what they take.

``check_contract`` refuses, before anything is served, a method without ``vault.v1.access`` and a request field
without bounds or ``field_behavior``, so that what a caller reads in the protos is what happens.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from vault.model.states import Role
from vault.rpc.bounds import is_choice
from vault.rpc.values import bounds_of
from vault.v1 import (
    activation_service_pb2,
    administration_service_pb2,
    audit_service_pb2,
    card_service_pb2,
    incident_service_pb2,
    issuance_service_pb2,
    options_pb2,
    rotation_service_pb2,
    validation_service_pb2,
)

SERVICES: tuple[ServiceDescriptor, ...] = tuple(
    service
    for file in (
        issuance_service_pb2,
        activation_service_pb2,
        validation_service_pb2,
        card_service_pb2,
        rotation_service_pb2,
        incident_service_pb2,
        administration_service_pb2,
        audit_service_pb2,
    )
    for service in file.DESCRIPTOR.services_by_name.values()
)

_WELL_KNOWN = {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask"}
_ROLES = frozenset(int(role) for role in Role)
_LENGTHY = {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
# Look-around, back references, possessive quantifiers and atomic groups: what Python knows and RE2 does not.
_NOT_RE2 = re.compile(r"\(\?[=!<>(]|\\[1-9]|[*+?}]\+|\\Z")


class Method(NamedTuple):
    """One method: its name as gRPC's path has it without the leading slash, its access rule and messages."""

    full_name: str
    service: str
    name: str
    role: Role
    second_officer: bool
    any_program: bool
    request: type[Message]
    response: type[Message]
    streams: bool


class BrokenContract(Exception):
    """The protos lack what the vault needs to enforce; the messages say where."""


def methods(services: Iterable[ServiceDescriptor] = SERVICES) -> list[Method]:
    """Return every method of the services, in the protos' order."""
    return [_method(method) for service in services for method in service.methods]


def check_contract(services: Iterable[ServiceDescriptor] = SERVICES) -> None:
    """Check that every method has its access rule and every request field its bounds and behaviour.

    Raises:
        BrokenContract: One lacks them; the message lists all that do.
    """
    problems = [problem for service in services for method in service.methods for problem in _method_problems(method)]
    if problems:
        raise BrokenContract("; ".join(dict.fromkeys(problems)))


def request_fields(descriptor: Descriptor) -> Iterator[FieldDescriptor]:
    """Walk every field that can be reached from a request, each once; well-known types are not entered."""
    seen = {descriptor.full_name}
    waiting = [descriptor]
    while waiting:
        for field in waiting.pop().fields:
            yield field
            below = field.message_type
            if below and below.full_name not in seen and below.full_name not in _WELL_KNOWN:
                seen.add(below.full_name)
                waiting.append(below)


def _method(method: MethodDescriptor) -> Method:
    access = method.GetOptions().Extensions[options_pb2.access]
    service = method.containing_service.full_name
    return Method(
        full_name=f"{service}/{method.name}",
        service=service,
        name=method.name,
        role=Role(access.role),
        second_officer=access.second_officer,
        any_program=access.any_program,
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        streams=method.server_streaming,
    )


def _method_problems(method: MethodDescriptor) -> Iterator[str]:
    access = method.GetOptions().Extensions[options_pb2.access]
    if access.role not in _ROLES:
        yield f"{method.full_name} has no (vault.v1.access) with a role"
    if method.client_streaming:
        yield f"{method.full_name} takes a stream of requests, which are not served"
    for field in request_fields(method.input_type):
        yield from _field_problems(field)


def _field_problems(field: FieldDescriptor) -> Iterator[str]:
    name, bounds = field.full_name, bounds_of(field)
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    if not behaviours and not is_choice(field):
        yield f"{name} has no (google.api.field_behavior)"
    if field.message_type and field.message_type.GetOptions().map_entry:
        yield f"{name} is a map, for which there are no bounds"
    if field.is_repeated and not bounds.HasField("max_items"):
        yield f"{name} has no max_items"
    if field.type in _LENGTHY and not bounds.HasField("max_length"):
        yield f"{name} has no max_length"
    if _is_number(field) and not (bounds.HasField("minimum") and bounds.HasField("maximum")):
        yield f"{name} has no minimum and maximum"
    if bounds.pattern and not _is_common_pattern(bounds.pattern):
        yield f"{name} has a pattern that is not common to Python and RE2"


def _is_number(field: FieldDescriptor) -> bool:
    if field.message_type:
        return field.message_type.full_name == "google.protobuf.Duration"
    return field.type not in _LENGTHY | {FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM}


def _is_common_pattern(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return not _NOT_RE2.search(pattern)
