"""The types of all messages as one FileDescriptorSet, for languages that read them at run time."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.rpc import error_details_pb2, status_pb2

from vault.contract.options import SERVICES

_DETAILS = (error_details_pb2.DESCRIPTOR, status_pb2.DESCRIPTOR)


def descriptor_set(services: Iterable[ServiceDescriptor] = SERVICES) -> bytes:
    """Return the files of services and of errors' details, and all that they import, each after its imports."""
    found = FileDescriptorSet()
    seen: set[str] = set()

    def add(file: Any) -> None:
        if file.name not in seen:
            seen.add(file.name)
            for dependency in file.dependencies:
                add(dependency)
            found.file.add().ParseFromString(file.serialized_pb)

    for file in (*(service.file for service in services), *_DETAILS):
        add(file)
    return found.SerializeToString(deterministic=True)
