"""Changes the options of the protos in one process: what its server then enforces is not what they say.

A vault's processes are started with a ``sitecustomize`` that calls ``install``; every generated module of
``vault.v1`` then registers a changed description of its file.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from google.api import field_behavior_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

from vault.v1 import options_pb2

VARIABLE = "CARDVAULT_TEST_MUTATIONS"
_PREFIX = "vault/v1/"
_OPTIONS = "vault/v1/options.proto"
BEHAVIOUR = "behaviour"
VALUE = "value"


class Mutation(NamedTuple):
    """A change: of what (a field, method or enum by full name), which of its options, what it becomes."""

    target: str
    option: str
    value: Any


def mutated(data: bytes, mutations: Iterable[Mutation]) -> tuple[bytes, set[str]]:
    """Return a file's description with the changes that concern it, and the targets that were found in it."""
    file = descriptor_pb2.FileDescriptorProto.FromString(data)
    found = {mutation.target for mutation in mutations if _applied(file, mutation)}
    return file.SerializeToString(deterministic=True), found


def _applied(file: descriptor_pb2.FileDescriptorProto, mutation: Mutation) -> bool:
    parent, _, name = mutation.target.removeprefix(f"{file.package}.").rpartition(".")
    for service in file.service:
        for method in service.method:
            if (service.name, method.name) == (parent, name):
                setattr(method.options.Extensions[options_pb2.access], mutation.option, mutation.value)
                return True
    messages = [(message.name, message) for message in file.message_type]
    for path, message in messages:
        messages += [(f"{path}.{nested.name}", nested) for nested in message.nested_type]
        for enum in message.enum_type:
            if (path, enum.name) == (parent, name):
                enum.value.add(name=f"{name.upper()}_MADE_UP", number=mutation.value)
                return True
        for field in message.field:
            if (path, field.name) == (parent, name):
                _change_field(field, mutation)
                return True
    return False


def _change_field(field: descriptor_pb2.FieldDescriptorProto, mutation: Mutation) -> None:
    if mutation.option == BEHAVIOUR:
        behaviours = field.options.Extensions[field_behavior_pb2.field_behavior]
        behaviours[:] = [mutation.value]
        return
    bounds = field.options.Extensions[options_pb2.bounds]
    if mutation.value is None:
        bounds.ClearField(mutation.option)  # type: ignore[arg-type]  # the option's name comes from a test
    else:
        setattr(bounds, mutation.option, mutation.value)


def install() -> None:
    """Have every module of ``vault.v1`` that is imported from now on register changed descriptions."""
    mutations = [Mutation(*fields) for fields in json.loads(os.environ[VARIABLE])]
    pool = descriptor_pool.Default()

    class Changing:
        """The pool of this process, which changes what is added."""

        def __getattr__(self, name: str) -> Any:
            return getattr(pool, name)

        def AddSerializedFile(self, data: bytes) -> Any:  # noqa: N802  protobuf's name
            name = descriptor_pb2.FileDescriptorProto.FromString(data).name
            is_ours = name.startswith(_PREFIX) and name != _OPTIONS
            return pool.AddSerializedFile(mutated(data, mutations)[0] if is_ours else data)

    changing = Changing()
    descriptor_pool.Default = lambda: changing  # type: ignore[assignment,return-value]


def environment(folder: Path, mutations: Iterable[Mutation]) -> dict[str, str]:
    """Return the environment of processes that enforce these changes; a file goes into the folder."""
    starter = folder / "sitecustomize.py"
    starter.write_text("from tests.contract.mutation import install\n\ninstall()\n", encoding="utf-8")
    root = Path(__file__).parents[2]
    return {"PYTHONPATH": f"{folder}{os.pathsep}{root}", VARIABLE: json.dumps(list(mutations))}


def changed_pool(files: Iterable[Any], mutations: Iterable[Mutation]) -> descriptor_pool.DescriptorPool:
    """Return files, and all that they import, as they would be if the protos said something else."""
    wanted = list(mutations)
    pool = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    found: set[str] = set()

    def add(file: Any) -> None:
        for dependency in file.dependencies:
            add(dependency)
        if file.name not in added:
            added.add(file.name)
            data, targets = mutated(file.serialized_pb, wanted if file.name.startswith(_PREFIX) else ())
            found.update(targets)
            pool.AddSerializedFile(data)

    for file in files:
        add(file)
    assert found == {mutation.target for mutation in wanted}, "a mutation has no target"
    return pool
