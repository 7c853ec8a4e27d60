"""How large a request can be: the greatest serialized size that its fields' bounds allow.

A request that is larger cannot be a legal one and is refused before it is parsed. Computed from the descriptors
when the server is built, so that a bound that is changed in the protos moves the cap.

The greatest encoding of each field is counted: strings of text at four bytes a character (RFC 3629), numbers as
the longest varint, lengths and tags as they are. ``SLACK_BYTES`` is added for fields of a newer release, which are
skipped, not refused.
"""

from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from vault.rpc import values
from vault.rpc.values import bounds_of

SLACK_BYTES = 16 * 1024

_LONGEST_VARINT = 10
_UTF8_BYTES = 4
_FIXED = {
    FieldDescriptor.TYPE_BOOL: 1,
    FieldDescriptor.TYPE_FIXED32: 4,
    FieldDescriptor.TYPE_SFIXED32: 4,
    FieldDescriptor.TYPE_FLOAT: 4,
    FieldDescriptor.TYPE_FIXED64: 8,
    FieldDescriptor.TYPE_SFIXED64: 8,
    FieldDescriptor.TYPE_DOUBLE: 8,
}
_MASK = "google.protobuf.FieldMask"
# Two varints with their tags; a FieldMask's paths.
_WELL_KNOWN = {
    "google.protobuf.Timestamp": 2 * (1 + _LONGEST_VARINT),
    values.DURATION: 2 * (1 + _LONGEST_VARINT),
    _MASK: values.MOST_PATHS * (2 + values.LONGEST_PATH),
}


def largest_request(kind: type[Message]) -> int:
    """Return the most bytes that a request of a type may have, in bytes, with the slack."""
    return _message_size(kind.DESCRIPTOR) + SLACK_BYTES


@cache
def _message_size(descriptor: Descriptor) -> int:
    known = _WELL_KNOWN.get(descriptor.full_name)
    if known is not None:
        return known
    lone = sum(_field_size(field) for field in descriptor.fields if field.containing_oneof is None)
    return lone + sum(max(_field_size(field) for field in oneof.fields) for oneof in descriptor.oneofs)


def _field_size(field: FieldDescriptor) -> int:
    """Return the most bytes of a field with its tags, every item of it counted."""
    count = bounds_of(field).max_items if field.is_repeated else 1
    return count * (_varint_size(field.number << 3) + _value_size(field))


def _value_size(field: FieldDescriptor) -> int:
    if field.message_type is not None:
        return _with_length(_message_size(field.message_type))
    longest = bounds_of(field).max_length
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _with_length(longest)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _with_length(longest * (_UTF8_BYTES if bounds_of(field).text else 1))
    return _FIXED.get(field.type, _LONGEST_VARINT)


def _with_length(size: int) -> int:
    return _varint_size(size) + size


def _varint_size(value: int) -> int:
    return max(1, (value.bit_length() + 6) // 7)
