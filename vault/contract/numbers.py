"""Numbers, enums, durations and field masks at the edges of what they may be."""

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from vault.contract import case
from vault.contract.options import bounds_of, is_arm, is_optional, is_required
from vault.contract.texts import Variation

_FLOATS = {FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT}
_UNSIGNED = {FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_FIXED32}
_LARGEST = {
    FieldDescriptor.TYPE_INT32: 2**31 - 1,
    FieldDescriptor.TYPE_UINT32: 2**32 - 1,
    FieldDescriptor.TYPE_INT64: 2**63 - 1,
    FieldDescriptor.TYPE_UINT64: 2**64 - 1,
}
_FAR = "2099-01-01T00:00:00Z"
_MOST_PATHS = 32
_LONGEST_PATH = 100


def good_number(field: FieldDescriptor) -> int | float:
    """Return a number that keeps the field's bounds, and is not zero."""
    bounds = bounds_of(field)
    if field.type in _FLOATS:
        return bounds.maximum
    return max(1, math.ceil(bounds.minimum))


def number_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk a number's least and greatest value and what lies just beyond them; NaN and infinity too."""
    bounds = bounds_of(field)
    least, most = bounds.minimum, bounds.maximum
    floats = field.type in _FLOATS
    show = float if floats else int
    for name, value in (("least", least), ("greatest", most)):
        if value or not is_required(field):
            yield Variation(f"the {name}", show(value))
    below = math.nextafter(least, -math.inf) if floats else least - 1
    above = math.nextafter(most, math.inf) if floats else most + 1
    if (below or is_arm(field)) and not (below < 0 and field.type in _UNSIGNED):
        yield Variation("just below the least", show(below), case.OUT_OF_RANGE)
    if floats or above <= _LARGEST.get(field.type, most):
        yield Variation("just above the greatest", show(above), case.OUT_OF_RANGE)
    if floats:
        for word in ("NaN", "Infinity", "-Infinity"):
            yield Variation(word, word, case.OUT_OF_RANGE)


def good_duration(field: FieldDescriptor) -> str:
    """Return a duration that keeps the field's bounds."""
    return f"{int(bounds_of(field).maximum)}s"


def duration_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk a duration's least and greatest value and what lies just beyond them; fractions of a second too."""
    bounds = bounds_of(field)
    least, most = int(bounds.minimum), int(bounds.maximum)
    yield Variation("the least", f"{least}s")
    yield Variation("the greatest", f"{most}s")
    yield Variation("just below the least", f"{least - 1}s", case.OUT_OF_RANGE)
    yield Variation("just above the greatest", f"{most + 1}s", case.OUT_OF_RANGE)
    yield Variation("with a fraction", f"{least}.5s", case.OUT_OF_RANGE)


def good_enum(enum: EnumDescriptor) -> int:
    """Return the first value of an enum that is a choice."""
    return min(value.number for value in enum.values if value.number)


def enum_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk an enum's values, and numbers that are none of them."""
    enum: Any = field.enum_type
    numbers = sorted(value.number for value in enum.values)
    for number in numbers:
        if number:
            yield Variation(f"value {number}", number)
    for number in (numbers[-1] + 1, -1):
        yield Variation(f"unknown value {number}", number, case.ENUM_UNKNOWN)
    if field.is_repeated or is_arm(field):
        yield Variation("unspecified", 0, case.ENUM_UNKNOWN)
    elif not is_required(field):
        yield Variation("unspecified", 0)


def time_variations() -> Iterator[Variation]:
    """Walk the first and last time that there is (protobuf's timestamp.proto), and some between."""
    for moment in ("0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", _FAR, "9999-12-31T23:59:59.999999999Z"):
        yield Variation(f"at {moment}", moment)


def good_mask(field: FieldDescriptor) -> str:
    """Return a mask that names a field: the first OPTIONAL one of the message that stands before the mask."""
    message: Any = field.containing_type
    before = [other for other in message.fields if other.number < field.number and other.message_type]
    named: Any = before[-1].message_type if before else message
    path = next(other for other in named.fields if is_optional(other) and not other.message_type)
    return str(path.json_name)


def mask_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk field masks (protobuf's field_mask.proto): the most paths, too many, none, and what is no path."""
    good = good_mask(field)
    yield Variation("one path", good)
    yield Variation("most paths", ",".join([good] * _MOST_PATHS))
    yield Variation("too many paths", ",".join([good] * (_MOST_PATHS + 1)), case.TOO_MANY, ".paths")
    yield Variation("without paths", "", case.FIELD_REQUIRED, ".paths")
    yield Variation("a path too long", "a" * (_LONGEST_PATH + 1), case.PATTERN, ".paths[0]")
    yield Variation("no path", "a-b", case.PATTERN, ".paths[0]")
