"""The cases follow from the protos, and from nothing else."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tests.contract.mutation import BEHAVIOUR, Mutation, changed_pool
from tests.rules.source import ROOT
from vault.contract.case import FORM_REASONS, Case
from vault.contract.fields import _field_cases, _request
from vault.contract.options import ROLES, SERVICES, bounds_of, is_arm, is_required, methods
from vault.contract.requests import WELL_KNOWN
from vault.contract.suite import all_cases, document
from vault.rpc import contract, values
from vault.v1 import options_pb2

FILE = ROOT / "protos" / "contract" / "cases.json"
LARGEST_BYTES = 2_000_000
CASES = all_cases()
METHOD = methods()[0]


def request_fields(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    for field in message.fields:
        yield field
        below = field.message_type
        if below and below.full_name not in seen | WELL_KNOWN:
            seen.add(below.full_name)
            yield from request_fields(below, seen)


FIELDS = {field.full_name: field for method in methods() for field in request_fields(method.request, set())}


def test_the_committed_file_is_what_the_protos_give() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == document(), "run scripts/protos"
    assert len(text) < LARGEST_BYTES
    read = json.loads(text)
    assert sum(len(method["cases"]) for method in read["methods"]) == len(CASES)


def test_every_method_that_is_served_has_its_cases() -> None:
    served = {method.full_name: method.role.name.lower() for method in contract.methods()}
    assert {method.name: method.role for method in methods()} == served
    counts = Counter(case.method for case in CASES)
    assert counts.keys() == served.keys()
    assert min(counts.values()) >= len(ROLES) + 15


def test_no_two_cases_of_a_method_share_a_name() -> None:
    twice = [name for name, count in Counter((case.method, case.name) for case in CASES).items() if count > 1]
    assert twice == []


def test_every_reason_by_which_the_server_refuses_a_form_is_expected_somewhere() -> None:
    served = {value for name, value in vars(values).items() if name.isupper() and isinstance(value, str)}
    assert FORM_REASONS - {"MALFORMED", "TOO_FEW"} <= {case.expected.reason for case in CASES}
    assert FORM_REASONS - {"MALFORMED"} <= served


def test_every_field_of_every_request_is_named_by_a_case() -> None:
    for method in methods():
        named = " ".join(case.name for case in CASES if case.method == method.name)
        missing = [field.name for field in method.request.fields if field.name not in named]
        assert missing == [], method.name


def test_cases_without_effects_only_read_or_are_refused() -> None:
    reads = {method.name for method in methods() if method.reads_only or method.has("page_token")}
    accepted = [case for case in CASES if not case.effects and not case.expected.statuses]
    assert accepted
    assert {case.method for case in accepted} <= reads


def other(bounds: options_pb2.Bounds) -> Iterator[tuple[str, Any]]:
    """Walk every change of every bound that a field has: widened, narrowed, dropped."""
    for option in ("min_length", "max_length", "min_items", "max_items", "minimum", "maximum"):
        if bounds.HasField(option):
            value = getattr(bounds, option)
            step = 1e-6 if isinstance(value, float) and 0 < abs(value) < 1 else 1
            yield option, value + step
            if value or option == "minimum":
                yield option, value - step
    if bounds.pattern:
        yield "pattern", None
    yield "text", not bounds.text


def is_told(mutation: Mutation, field: FieldDescriptor) -> bool:
    """Tell whether a change can be seen from outside: a least of 1 is what REQUIRED says already, and so on."""
    bounds = bounds_of(field)
    if mutation.option == "text":
        return field.type == FieldDescriptor.TYPE_STRING
    if mutation.option in {"min_length", "min_items"} and mutation.value == 0:
        return False  # absent and empty are the same
    return not (mutation.option == "minimum" and mutation.value == 0 and is_required(field) and bounds.minimum == 1)


def changes() -> dict[str, list[Mutation]]:
    """Return every change that can be seen from outside, by the message whose fields' options it is of."""
    found: dict[str, list[Mutation]] = defaultdict(list)
    for name, field in FIELDS.items():
        message: Any = field.containing_type
        every = [Mutation(name, option, value) for option, value in other(bounds_of(field))]
        found[message.full_name] += [mutation for mutation in every if is_told(mutation, field)]
        behaviour = field_behavior_pb2.OPTIONAL if is_required(field) else field_behavior_pb2.REQUIRED
        if not is_arm(field):
            found[message.full_name].append(Mutation(name, BEHAVIOUR, behaviour))
    return found


def cases_of(message: Descriptor, field: str) -> list[Case]:
    """Return the cases of one field of a message, as if the message were a request."""
    method = METHOD._replace(request=message)
    return list(_field_cases(method, _request(method), message.fields_by_name[field]))


def test_any_change_of_a_fields_options_changes_its_cases() -> None:
    """One change for each message at a time, so that its effect is known to be its own."""
    unseen = []
    same = changed_pool([service.file for service in SERVICES], [])
    for name, field in FIELDS.items():
        here: Any = field.containing_type
        assert cases_of(same.FindMessageTypeByName(here.full_name), field.name) == cases_of(here, field.name), name
    for together in zip_longest(*changes().values()):
        mutations = [mutation for mutation in together if mutation]
        pool = changed_pool([service.file for service in SERVICES], mutations)
        for mutation in mutations:
            message, _, name = mutation.target.rpartition(".")
            here = FIELDS[mutation.target].containing_type
            if cases_of(pool.FindMessageTypeByName(message), name) == cases_of(here, name):
                unseen.append(mutation)
    assert unseen == []


@pytest.mark.parametrize("method", list(SERVICES[0].methods), ids=lambda method: method.name)
def test_any_change_of_a_methods_access_changes_the_cases(method: Any) -> None:
    access = method.GetOptions().Extensions[options_pb2.access]
    role = options_pb2.ROLE_SELLER if access.role != options_pb2.ROLE_SELLER else options_pb2.ROLE_KEEPER
    service = SERVICES[0]
    plain = document([service])
    for option, value in (
        ("role", role),
        ("second_officer", not access.second_officer),
        ("any_program", not access.any_program),
    ):
        pool = changed_pool([service.file], [Mutation(method.full_name, option, value)])
        assert document([pool.FindServiceByName(service.full_name)]) != plain, option
