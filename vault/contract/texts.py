"""Strings and bytes at the edges of their bounds."""

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from vault.contract import case
from vault.contract.filling import PROGRAM, UUID, placeholder, shortened, zeros
from vault.contract.options import bounds_of, is_arm, is_required, is_secret
from vault.contract.pattern import Pattern

DIGITS = "7391548206"
"""Digits that stand for a code: they must come back in no answer."""
_UUID_LENGTH = 36
_MADE_UP = {"request_id", "approval_id"}
_PROGRAM_FIELDS = {"program", "programs"}
_ANY_LENGTH = 8
# A control character, DEL, a line break; then what nobody sees or what turns text around.
_NEVER = {"a control character": "\x01", "NUL": "\x00", "a line break": "\n", "DEL": "\x7f"}
_NEVER_IN_TEXT = {
    "a bidirectional override": "\u202e",
    "a line separator": "\u2028",
    "a private character": "\ue000",
    "an unassigned character": "\u0378",
}


class Variation(NamedTuple):
    """A value of a field, as protobuf JSON; ``reason`` is the refusal's, empty where the value is good.

    ``below`` is the refusal's path below the field's own, such as ``.paths[0]``.
    """

    what: str
    value: Any
    reason: str = ""
    below: str = ""


def good_text(field: FieldDescriptor) -> str:
    """Return a string that keeps the field's bounds, as short as they allow, yet not empty."""
    if field.name in _PROGRAM_FIELDS:
        return placeholder(PROGRAM)
    bounds = bounds_of(field)
    if bounds.pattern and bounds.min_length == bounds.max_length == _UUID_LENGTH and bounds.pattern.count("-") > 1:
        name = field.name.removesuffix("s")
        return placeholder(name if name.endswith("_id") and name not in _MADE_UP else UUID)
    return _of_length(field, max(1, bounds.min_length))


def text_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk a string field's lengths, characters and patterns: good and not."""
    bounds = bounds_of(field)
    most = bounds.max_length if bounds.HasField("max_length") else None
    for length in sorted({max(1, bounds.min_length), most or 1}):
        yield Variation(f"of {length} characters", shortened(_of_length(field, length)))
    if most is not None:
        yield Variation("too long", shortened(_of_length(field, most + 1)), case.LENGTH)
    yield from _too_short(field, lambda length: shortened(_of_length(field, length)))
    sample = _of_length(field, min(max(_ANY_LENGTH, bounds.min_length), most or _ANY_LENGTH))
    for name, character in _NEVER.items():
        yield Variation(f"with {name}", _with(sample, character), case.CHARACTERS)
    if bounds.text:
        yield Variation("of another script", _with(sample, "\u9867"))
        for name, character in _NEVER_IN_TEXT.items():
            yield Variation(f"with {name}", _with(sample, character), case.CHARACTERS)
    else:
        yield Variation("beyond ASCII", _with(sample, "\u00e9"), case.CHARACTERS)
    if bounds.pattern:
        for where, wrong in Pattern(bounds.pattern).near(len(sample)):
            yield Variation(f"off its pattern at the {where}", shortened(wrong), case.PATTERN)


def bytes_variations(field: FieldDescriptor) -> Iterator[Variation]:
    """Walk a bytes field's lengths, good and not."""
    bounds = bounds_of(field)
    most = bounds.max_length if bounds.HasField("max_length") else None
    for length in sorted({max(1, bounds.min_length), most or 1}):
        yield Variation(f"of {length} bytes", zeros(length))
    if most is not None:
        yield Variation("too long", zeros(most + 1), case.LENGTH)
    yield from _too_short(field, zeros)


def good_bytes(field: FieldDescriptor) -> str:
    """Return bytes that keep the field's bounds, as few as they allow, yet not none."""
    return zeros(max(1, bounds_of(field).min_length))


def _too_short(field: FieldDescriptor, of_length: Any) -> Iterator[Variation]:
    """Yield one shorter than the least; empty is absent, unless the field is an item or an arm of a oneof."""
    least = bounds_of(field).min_length
    if least > 1 or (least and (field.is_repeated or is_arm(field))):
        yield Variation("too short", of_length(least - 1), case.LENGTH)
    elif least and not is_required(field):
        yield Variation("empty", of_length(0))


def _of_length(field: FieldDescriptor, length: int) -> str:
    """Return a string of a length, which keeps the field's pattern if one of that length does."""
    pattern = bounds_of(field).pattern
    if is_secret(field):
        return "".join(islice(cycle(DIGITS), length))
    return (Pattern(pattern).match(length) if pattern else None) or "a" * length


def _with(text: str, character: str) -> str:
    return shortened(text[:-1] + character)
