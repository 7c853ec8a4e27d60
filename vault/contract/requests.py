"""Good requests, as protobuf JSON: what is required, the first arm of each oneof, and nothing else.

Two things are added where a request has them: its program, required or not, so that nobody asks about the whole
vault; and ``validate_only``, so that nothing is done that can be tried.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from vault.contract.filling import PROGRAM, filled
from vault.contract.numbers import good_duration, good_enum, good_mask, good_number
from vault.contract.options import bounds_of, choices, is_arm, is_required
from vault.contract.texts import good_bytes, good_text

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
FIELD_MASK = "google.protobuf.FieldMask"
WELL_KNOWN = frozenset({TIMESTAMP, DURATION, FIELD_MASK})
FIXED_PROGRAM = "contract-none"
FIXED_UUID = "6f1b2c3d-0000-4000-8000-00000000c0de"
_ALWAYS = {"program", "programs", "validate_only"}
_FAR = "2099-01-01T00:00:00Z"


def good_request(message: Descriptor) -> dict[str, Any]:
    """Return a good message of a type."""
    chosen = [field for field in message.fields if is_required(field) or field.name in _ALWAYS]
    chosen += [arms[0] for _, arms in choices(message)]
    return {field.name: good_value(field) for field in chosen}


def good_value(field: FieldDescriptor) -> Any:
    """Return a good value of a field: for a repeated one the fewest items, yet one."""
    if not field.is_repeated:
        return good_item(field)
    return [good_item(field) for _ in range(max(1, bounds_of(field).min_items))]


def good_item(field: FieldDescriptor) -> Any:
    """Return a good value of a field, or of one item of it."""
    if field.message_type:
        return _good_message(field)
    if field.enum_type:
        return good_enum(field.enum_type)
    make = {
        FieldDescriptor.TYPE_BOOL: lambda _: True,
        FieldDescriptor.TYPE_STRING: good_text,
        FieldDescriptor.TYPE_BYTES: good_bytes,
    }.get(field.type, good_number)
    return make(field)


def _good_message(field: FieldDescriptor) -> Any:
    message: Any = field.message_type
    match message.full_name:
        case known if known == TIMESTAMP:
            return _FAR
        case known if known == DURATION:
            return good_duration(field)
        case known if known == FIELD_MASK:
            return good_mask(field)
        case _:
            return good_request(message)


def without_rivals(message: Descriptor, good: dict[str, Any], field: FieldDescriptor) -> dict[str, Any]:
    """Return a message without the other arms of a field's oneof."""
    if not is_arm(field):
        return good
    rivals = {arm.name for _, arms in choices(message) if field in arms for arm in arms}
    return {name: value for name, value in good.items() if name not in rivals}


def fixed_message(message: Descriptor, request: dict[str, Any]) -> Message:
    """Return a request as a message, with names that are always the same in place of its placeholders."""
    kind = GetMessageClass(message)
    return ParseDict(filled(request, lambda name: FIXED_PROGRAM if name == PROGRAM else FIXED_UUID), kind())
