"""What the options of ``vault.v1`` say of methods and fields, as any caller can read them.

Nothing here knows how the server enforces them; that is what the cases are for.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

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
ROLES: tuple[str, ...] = tuple(
    name.removeprefix("ROLE_").lower() for name, number in options_pb2.Role.items() if number
)
"""Every role, by its name in the access file."""


class Method(NamedTuple):
    """A method and its access rule; ``name`` is as gRPC's path has it, without the leading slash.

    ``reads_only`` is what the protos say by ``idempotency_level = NO_SIDE_EFFECTS``.
    """

    name: str
    role: str
    second_officer: bool
    any_program: bool
    reads_only: bool
    streams: bool
    request: Descriptor
    response: Descriptor

    def has(self, field: str) -> bool:
        """Tell whether the request has a field of this name."""
        return field in self.request.fields_by_name


def methods(services: Iterable[ServiceDescriptor] = SERVICES) -> list[Method]:
    """Return the methods of services, in the protos' order."""
    return [_method(method) for service in services for method in service.methods]


def bounds_of(field: FieldDescriptor) -> options_pb2.Bounds:
    """Return a field's bounds; empty ones if it has none."""
    bounds: options_pb2.Bounds = field.GetOptions().Extensions[options_pb2.bounds]
    return bounds


def is_required(field: FieldDescriptor) -> bool:
    """Tell whether a field is REQUIRED."""
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_optional(field: FieldDescriptor) -> bool:
    """Tell whether a field is OPTIONAL."""
    return field_behavior_pb2.OPTIONAL in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_secret(field: FieldDescriptor) -> bool:
    """Tell whether a field is marked ``debug_redact``."""
    return bool(field.GetOptions().debug_redact)


def choices(message: Descriptor) -> Iterator[tuple[str, list[FieldDescriptor]]]:
    """Walk the oneofs of a message that the protos name, with their arms; those of ``optional`` are not."""
    for oneof in message.oneofs:
        if len(oneof.fields) > 1 or oneof.name != f"_{oneof.fields[0].name}":
            yield oneof.name, list(oneof.fields)


def is_arm(field: FieldDescriptor) -> bool:
    """Tell whether a field is one arm of a oneof that the protos name."""
    message: Any = field.containing_type
    return any(field in arms for _, arms in choices(message))


def _method(method: MethodDescriptor) -> Method:
    options = method.GetOptions()
    access = options.Extensions[options_pb2.access]
    return Method(
        name=f"{method.containing_service.full_name}/{method.name}",
        role=options_pb2.Role.Name(access.role).removeprefix("ROLE_").lower(),
        second_officer=access.second_officer,
        any_program=access.any_program,
        reads_only=options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS,
        streams=method.server_streaming,
        request=method.input_type,
        response=method.output_type,
    )
