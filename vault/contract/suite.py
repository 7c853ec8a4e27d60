"""All cases of all methods, and the file of them for other languages."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from vault.contract.callers import CALLERS, caller_cases
from vault.contract.case import FAULTS, FORM_REASONS, Case
from vault.contract.faults import malformed_cases, page_cases, time_cases
from vault.contract.fields import field_cases
from vault.contract.options import SERVICES, Method, methods
from vault.contract.requests import good_request

FORMAT = 1


def all_cases(services: Iterable[ServiceDescriptor] = SERVICES) -> list[Case]:
    """Return the cases of services, method by method in the protos' order."""
    every = methods(services)
    return [case for method in every for case in method_cases(method, every)]


def method_cases(method: Method, every: list[Method]) -> Iterator[Case]:
    """Walk the cases of one method."""
    yield from caller_cases(method)
    yield from malformed_cases(method)
    yield from field_cases(method)
    yield from page_cases(method, every)
    yield from time_cases(method)


def document(services: Iterable[ServiceDescriptor] = SERVICES) -> str:
    """Return the file of cases: JSON, a line for each case, the same bytes for the same protos."""
    every = methods(services)
    head = {
        "format": FORMAT,
        "form_reasons": sorted(FORM_REASONS),
        "faults": sorted(FAULTS),
        "callers": dict(CALLERS),
    }
    lines = [f'"{name}":{_line(value)},' for name, value in head.items()]
    blocks = [_block(method, every) for method in every]
    return "\n".join(["{", *lines, '"methods":[', ",\n".join(blocks), "]}"]) + "\n"


def _block(method: Method, every: list[Method]) -> str:
    good = good_request(method.request)
    told = {
        "method": method.name,
        "role": method.role,
        "second_officer": method.second_officer,
        "any_program": method.any_program,
        "streams": method.streams,
        "request": method.request.full_name,
        "response": method.response.full_name,
        "good": good,
    }
    cases = ",\n".join(_line(_short(case, good)) for case in method_cases(method, every))
    return f'{_line(told)[:-1]},"cases":[\n{cases}]}}'


def _short(case: Case, good: dict[str, Any]) -> dict[str, Any]:
    """Return a case without its request where that is the method's good one."""
    plain = case.plain()
    if plain.get("request") == good:
        del plain["request"]
    return plain


def _line(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
