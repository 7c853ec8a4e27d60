"""Requests that are as large as the bounds of their fields allow."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vault.rpc.values import bounds_of

MANY = 1_000_000

_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"seconds": -(2**63), "nanos": -(2**31)},
    "google.protobuf.Duration": {"seconds": -(2**63), "nanos": -(2**31)},
    "google.protobuf.FieldMask": {"paths": ["p" * 100] * 32},
}


def _value_of(field: FieldDescriptor, kind: Any) -> Any:
    """Return a value of a field that takes as many bytes as any that its bounds allow."""
    bounds = bounds_of(field)
    if field.type == FieldDescriptor.TYPE_STRING:
        return ("\U0001f4b3" if bounds.text else "x") * bounds.max_length
    if field.type == FieldDescriptor.TYPE_BYTES:
        return bytes(bounds.max_length)
    if field.enum_type is not None:
        return max(each.number for each in field.enum_type.values)
    if field.type in (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE):
        return bounds.maximum
    return True if field.type == FieldDescriptor.TYPE_BOOL else int(bounds.maximum)


def filled(kind: type[Message], most_items: int = MANY) -> Message:
    """Return a message as large as its bounds allow, with the largest arm of each oneof.

    Args:
        kind: The message's type.
        most_items: Items of each repeated field at most.
    """
    message = kind()
    _fill(message, most_items)
    return message


def _fill(message: Any, most_items: int) -> int:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name in _WELL_KNOWN:
        message.MergeFrom(type(message)(**_WELL_KNOWN[descriptor.full_name]))
        return int(message.ByteSize())
    arms: dict[str, dict[int, FieldDescriptor]] = {}
    for field in descriptor.fields:
        if field.containing_oneof is not None:
            alone = type(message)()
            arms.setdefault(field.containing_oneof.name, {})[_fill_field(alone, field, most_items)] = field
        else:
            _fill_field(message, field, most_items)
    for sizes in arms.values():
        _fill_field(message, sizes[max(sizes)], most_items)
    return int(message.ByteSize())


def _fill_field(message: Any, field: FieldDescriptor, most_items: int) -> int:
    count = min(most_items, bounds_of(field).max_items)
    place = getattr(message, field.name)
    if field.is_repeated and field.message_type is not None:
        first = place.add()
        _fill(first, most_items)
        place.extend([first] * (count - 1))
    elif field.is_repeated:
        place.extend([_value_of(field, place)] * count)
    elif field.message_type is not None:
        place.SetInParent()
        _fill(place, most_items)
    else:
        setattr(message, field.name, _value_of(field, place))
    return int(message.ByteSize())
