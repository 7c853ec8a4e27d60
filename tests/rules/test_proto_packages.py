"""Whoever generates a client finds, in every proto, the package that its language wants."""

from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

from vault.contract import options
from vault.formats.v1 import (
    audit_event_pb2,
    exchanged_code_pb2,
    job_record_pb2,
    package_entry_pb2,
    request_result_pb2,
    submission_pb2,
)
from vault.rpc.contract import SERVICES
from vault.v1 import options_pb2, resources_pb2

FORMATS = (audit_event_pb2, exchanged_code_pb2, job_record_pb2, package_entry_pb2, request_result_pb2, submission_pb2)
FILES: tuple[FileDescriptor, ...] = (
    *(service.file for service in SERVICES),
    *(module.DESCRIPTOR for module in (options_pb2, resources_pb2, *FORMATS)),
)
JAVA = {"vault.v1": "dev.cardvault.v1", "vault.formats.v1": "dev.cardvault.formats.v1"}
GO = {"vault.v1": "cardvault.dev/vault/v1;vaultv1", "vault.formats.v1": "cardvault.dev/vault/formats/v1;formatsv1"}


def test_every_proto_of_the_folder_is_looked_at() -> None:
    protos = Path(__file__).parents[2] / "protos"
    assert {file.name for file in FILES} == {path.relative_to(protos).as_posix() for path in protos.rglob("*.proto")}


def test_the_cases_are_of_the_services_that_are_served() -> None:
    assert options.SERVICES == SERVICES
    assert {file.name for file in FILES if file.services_by_name} == {service.file.name for service in SERVICES}


def test_every_proto_has_the_packages_of_go_and_java() -> None:
    for file in FILES:
        options = file.GetOptions()
        assert options.go_package == GO[file.package], file.name
        assert (options.java_package, options.java_multiple_files) == (JAVA[file.package], True), file.name
