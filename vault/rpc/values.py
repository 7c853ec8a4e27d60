"""What one value of a request's field may be, by its type and its ``vault.v1.bounds``.

Each function here returns a check: it takes a value that is present and raises ``Refusal`` if it may not be.
``rpc.bounds`` puts the checks together for whole messages.
"""

import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any, Self

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from vault.v1 import options_pb2

Check = Callable[[Any], None]

# Reasons, as ErrorInfo tells them.
FIELD_REQUIRED = "FIELD_REQUIRED"
TOO_FEW = "TOO_FEW"
TOO_MANY = "TOO_MANY"
LENGTH = "LENGTH"
CHARACTERS = "CHARACTERS"
PATTERN = "PATTERN"
OUT_OF_RANGE = "OUT_OF_RANGE"
ENUM_UNKNOWN = "ENUM_UNKNOWN"

_NOT_TEXT = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_OVERRIDES = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LEAST_TIME, _GREATEST_TIME = -62_135_596_800, 253_402_300_799
_GREATEST_DURATION = 315_576_000_000
_NANOS = 1_000_000_000
MOST_PATHS, LONGEST_PATH = 32, 100
_PATH = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


class Refusal(Exception):
    """A field at fault; its path grows on the way out."""

    def __init__(self, reason: str, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.reason = reason
        self.problem = problem
        self.path = path

    def below(self, step: str) -> Self:
        """Return this refusal as seen from the message around it."""
        self.path = f"{step}.{self.path}" if self.path else step
        return self


def bounds_of(field: FieldDescriptor) -> options_pb2.Bounds:
    """Return a field's ``vault.v1.bounds``; empty ones if it has none."""
    bounds: options_pb2.Bounds = field.GetOptions().Extensions[options_pb2.bounds]
    return bounds


def length_check(field: FieldDescriptor, unit: str) -> Check:
    """Return the check of a length within the field's bounds, counted in ``unit``."""
    bounds = bounds_of(field)
    least = bounds.min_length
    most = bounds.max_length if bounds.HasField("max_length") else math.inf
    if least == most:
        problem = f"must have exactly {least} {unit}"
    elif not least:
        problem = f"must have at most {most} {unit}"
    else:
        problem = f"must have {least} to {most} {unit}"

    def check(value: Any) -> None:
        if not least <= len(value) <= most:
            raise Refusal(LENGTH, problem)

    return check


def string_check(field: FieldDescriptor) -> Check:
    """Return the check of a string: length, characters, pattern."""
    bounds = bounds_of(field)
    check_length = length_check(field, "characters")
    matches = re.compile(bounds.pattern).fullmatch if bounds.pattern else None
    text = bounds.text
    problem = f"must match {bounds.pattern}"

    def check(value: str) -> None:
        check_length(value)
        if value.isascii():
            if not value.isprintable():
                raise Refusal(CHARACTERS, "must not hold control characters")
        elif not text:
            raise Refusal(CHARACTERS, "must be printable ASCII")
        elif any(letter in _OVERRIDES or unicodedata.category(letter) in _NOT_TEXT for letter in value):
            raise Refusal(CHARACTERS, "must hold printable characters only")
        if matches and not matches(value):
            raise Refusal(PATTERN, problem)

    return check


def number_check(field: FieldDescriptor) -> Check:
    """Return the check of a number within the field's bounds, never NaN or infinite."""
    bounds = bounds_of(field)
    least = bounds.minimum if bounds.HasField("minimum") else -math.inf
    most = bounds.maximum if bounds.HasField("maximum") else math.inf
    problem = f"must be {least:.17g} to {most:.17g}"

    def check(value: float) -> None:
        # NaN fails every comparison.
        if not (least <= value <= most and math.isfinite(value)):
            raise Refusal(OUT_OF_RANGE, problem)

    return check


def enum_check(enum: EnumDescriptor) -> Check:
    """Return the check of a chosen value of an enum; zero is no choice."""
    known = frozenset(value.number for value in enum.values) - {0}

    def check(value: int) -> None:
        if value not in known:
            raise Refusal(ENUM_UNKNOWN, "is not a value that the vault knows")

    return check


def duration_check(field: FieldDescriptor) -> Check:
    """Return the check of a duration in whole seconds within the field's bounds."""
    bounds = bounds_of(field)
    least = bounds.minimum if bounds.HasField("minimum") else -_GREATEST_DURATION
    most = bounds.maximum if bounds.HasField("maximum") else _GREATEST_DURATION
    problem = f"must be {least:.17g} to {most:.17g} seconds"

    def check(value: Any) -> None:
        if value.nanos:
            raise Refusal(OUT_OF_RANGE, "must be in whole seconds")
        if not least <= value.seconds <= most:
            raise Refusal(OUT_OF_RANGE, problem)

    return check


def _check_timestamp(value: Any) -> None:
    if not (_LEAST_TIME <= value.seconds <= _GREATEST_TIME and 0 <= value.nanos < _NANOS):
        raise Refusal(OUT_OF_RANGE, "must be a time from year 1 to year 9999")


def _check_mask(value: Any) -> None:
    if not value.paths:
        raise Refusal(FIELD_REQUIRED, "is required", "paths")
    if len(value.paths) > MOST_PATHS:
        raise Refusal(TOO_MANY, f"must have at most {MOST_PATHS} items", "paths")
    for index, path in enumerate(value.paths):
        if len(path) > LONGEST_PATH or not _PATH.fullmatch(path):
            raise Refusal(PATTERN, "must be the path of a field", f"paths[{index}]")


DURATION = "google.protobuf.Duration"
WELL_KNOWN: dict[str, Check] = {
    "google.protobuf.Timestamp": _check_timestamp,
    "google.protobuf.FieldMask": _check_mask,
}
