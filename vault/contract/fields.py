"""Cases of a request's fields: each required one missing, each value just inside and just outside its bounds.

Every field that can be reached from the request is walked, through nested messages, items and arms of oneofs.

All are sent by the caller who holds every role, but for another program: what is not refused for its form is
then refused for the program (PERMISSION_DENIED, ROLE_MISSING), so that nothing takes effect, not even in a
vault that forgets its bounds. Values just inside are also sent by the caller who may do it; those cases have
effects.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from vault.contract import case
from vault.contract.case import Case, Expected
from vault.contract.filling import times
from vault.contract.numbers import (
    duration_variations,
    enum_variations,
    mask_variations,
    number_variations,
    time_variations,
)
from vault.contract.options import Method, bounds_of, choices, is_arm, is_optional, is_required
from vault.contract.requests import (
    DURATION,
    FIELD_MASK,
    TIMESTAMP,
    WELL_KNOWN,
    fixed_message,
    good_item,
    good_request,
    without_rivals,
)
from vault.contract.texts import Variation, bytes_variations, text_variations

ELSEWHERE = "elsewhere"
REFUSED = ("INVALID_ARGUMENT",)
_BAD_TIMES = {
    "before year 1": (-62_135_596_801, 0),
    "after year 9999": (253_402_300_800, 0),
    "with nanos below zero": (0, -1),
    "with nanos of a second": (0, 1_000_000_000),
}
_MARK = "~not.utf-8~"
_NOT_UTF8 = b"\xff\xfe\xc3(~not.utf-8~"[: len(_MARK)]


class _Place(NamedTuple):
    """A message within a request: its type, its good form, its path, and how a request is made of it."""

    message: Descriptor
    good: dict[str, Any]
    path: str
    wrap: Callable[[dict[str, Any]], dict[str, Any]]

    def within(self, field: FieldDescriptor, value: Any) -> dict[str, Any]:
        """Return the request in which a field of this message has a value."""
        return self.wrap({**without_rivals(self.message, self.good, field), field.name: value})

    def without(self, *names: str) -> dict[str, Any]:
        """Return the request in which this message lacks some fields."""
        return self.wrap({name: value for name, value in self.good.items() if name not in names})


def field_cases(method: Method) -> Iterator[Case]:
    """Walk the cases of a method's fields."""
    yield from _message_cases(method, _request(method))


def _request(method: Method) -> _Place:
    return _Place(method.request, good_request(method.request), "", lambda good: good)


def _message_cases(method: Method, place: _Place) -> Iterator[Case]:
    for name, arms in choices(place.message):
        path, bare = place.path + name, place.without(*(arm.name for arm in arms))
        if all(map(is_optional, arms)):
            yield next(_accepted(method, path, "missing", bare))  # a method may need it beside other fields
        else:
            yield _refused(method, path, "missing", case.FIELD_REQUIRED, bare)
    for field in place.message.fields:
        yield from _field_cases(method, place, field)


def _field_cases(method: Method, place: _Place, field: FieldDescriptor) -> Iterator[Case]:
    path = place.path + field.name
    item_path = f"{path}[0]" if field.is_repeated else path
    if is_required(field):
        yield _refused(method, path, "missing", case.FIELD_REQUIRED, place.without(field.name))

    def around(value: Any) -> dict[str, Any]:
        return place.within(field, [value] if field.is_repeated else value)

    if field.is_repeated:
        yield from _count_cases(method, place, field)
    for variation in _variations(field):
        request = around(variation.value)
        if variation.reason:
            yield _refused(method, item_path + variation.below, variation.what, variation.reason, request)
        else:
            yield from _accepted(method, item_path, variation.what, request)
    yield from _raw_cases(method, field, item_path, around)
    if field.message_type and field.message_type.full_name not in WELL_KNOWN:
        below = _Place(field.message_type, good_request(field.message_type), f"{item_path}.", around)
        yield from _message_cases(method, below)


def _variations(field: FieldDescriptor) -> Iterator[Variation]:
    if field.message_type:
        yield from _message_variations(field, field.message_type.full_name)
    elif field.enum_type:
        yield from enum_variations(field)
    elif field.type == FieldDescriptor.TYPE_STRING:
        yield from text_variations(field)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield from bytes_variations(field)
    elif field.type == FieldDescriptor.TYPE_BOOL:
        yield Variation("true", value=True)
        if is_arm(field):
            yield Variation("chosen and false", value=False, reason=case.OUT_OF_RANGE)
    else:
        yield from number_variations(field)


def _message_variations(field: FieldDescriptor, kind: str) -> Iterator[Variation]:
    if kind == DURATION:
        yield from duration_variations(field)
    elif kind == FIELD_MASK:
        yield from mask_variations(field)
    elif kind == TIMESTAMP:
        yield from time_variations()
    elif not is_required(field):
        yield Variation("present", good_item(field))


def _count_cases(method: Method, place: _Place, field: FieldDescriptor) -> Iterator[Case]:
    path, bounds, item = place.path + field.name, bounds_of(field), good_item(field)
    for count in sorted({max(1, bounds.min_items), bounds.max_items}):
        yield from _accepted(method, path, f"of {count} items", place.within(field, times(item, count)))
    if bounds.min_items > 1:
        few = place.within(field, times(item, bounds.min_items - 1))
        yield _refused(method, path, "with too few items", case.TOO_FEW, few)
    many = place.within(field, times(item, bounds.max_items + 1))
    yield _refused(method, path, "with too many items", case.TOO_MANY, many)


def _raw_cases(
    method: Method, field: FieldDescriptor, path: str, around: Callable[[Any], dict[str, Any]]
) -> Iterator[Case]:
    """Yield what protobuf JSON cannot say: strings that are not UTF-8, and times that are none."""
    if field.type == FieldDescriptor.TYPE_STRING:
        message = fixed_message(method.request, around(_MARK))
        raw = message.SerializeToString(deterministic=True).replace(_MARK.encode(), _NOT_UTF8)
        expected = Expected(REFUSED, case.MALFORMED)
        yield Case(f"{path}: not UTF-8", method.name, ELSEWHERE, expected, raw=raw)
    if field.message_type and field.message_type.full_name == TIMESTAMP:
        for what, (seconds, nanos) in _BAD_TIMES.items():
            message = fixed_message(method.request, around(good_item(field)))
            time = _at(message, path)
            time.seconds, time.nanos = seconds, nanos
            raw = message.SerializeToString(deterministic=True)
            expected = Expected(REFUSED, case.OUT_OF_RANGE, path)
            yield Case(f"{path}: {what}", method.name, ELSEWHERE, expected, raw=raw)


def _at(message: Any, path: str) -> Any:
    for step in path.split("."):
        name, item, _ = step.partition("[")
        message = getattr(message, name)
        if item:
            message = message[0]
    return message


def _refused(method: Method, path: str, what: str, reason: str, request: dict[str, Any]) -> Case:
    expected = Expected(REFUSED, reason, path)
    return Case(f"{path}: {what}", method.name, ELSEWHERE, expected, request)


def _accepted(method: Method, path: str, what: str, request: dict[str, Any]) -> Iterator[Case]:
    name = f"{path}: {what}"
    may = Expected(accepted=path)
    if not method.any_program:
        yield Case(name, method.name, ELSEWHERE, Expected(("PERMISSION_DENIED",), "ROLE_MISSING"), request)
        yield Case(f"{name}, allowed", method.name, method.role, may, request, effects=True)
    else:
        yield Case(name, method.name, ELSEWHERE, may, request, effects=not method.reads_only)
