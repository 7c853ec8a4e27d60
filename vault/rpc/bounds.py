"""What the fields of a request may hold: ``vault.v1.bounds`` and ``field_behavior``, compiled into closures.

1. Each message type is compiled once; what is not declared in the protos is not checked here, and what is
   declared there is checked nowhere else.
2. A refusal names the field by its path (``cards[3].card_id``) and says what is wrong, never what was sent.
3. Absent means proto3's default: a REQUIRED field must differ from it; an OPTIONAL one that equals it is not
   looked at, unless it has presence. Every oneof of a request must be set, unless all its arms are OPTIONAL, and
   a flag chosen in it be true.
4. Strings hold printable ASCII, or with ``text`` printable characters of any script: no controls, no
   bidirectional overrides, no private, unassigned or half characters.
5. Numbers are finite; enum values are known ones; times and durations are valid (protobuf's timestamp.proto and
   duration.proto), durations in whole seconds.

``rpc.contract`` refuses to start with fields that lack their bounds.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from vault.errors import InvalidInput
from vault.rpc import values
from vault.rpc.values import FIELD_REQUIRED, OUT_OF_RANGE, TOO_FEW, TOO_MANY, Check, Refusal, bounds_of


def compile_bounds(kind: type[Message]) -> Callable[[Message], None]:
    """Return a function that checks a message of a type, and raises ``InvalidInput`` with the field's path."""
    check = _message_check(kind.DESCRIPTOR)

    def checked(message: Message) -> None:
        try:
            check(message)
        except Refusal as refusal:
            text = f"{refusal.path} {refusal.problem}"
            raise InvalidInput(text, reason=refusal.reason, field=refusal.path) from None

    return checked


def is_required(field: FieldDescriptor) -> bool:
    """Tell whether a field is REQUIRED."""
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_optional(field: FieldDescriptor) -> bool:
    """Tell whether a field is OPTIONAL."""
    return field_behavior_pb2.OPTIONAL in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_choice(field: FieldDescriptor) -> bool:
    """Tell whether a field is one arm of a oneof (protobuf makes one up for each ``optional`` field)."""
    oneof = field.containing_oneof
    return oneof is not None and oneof.name != f"_{field.name}"


@cache
def _message_check(descriptor: Any) -> Check:
    known = values.WELL_KNOWN.get(descriptor.full_name)
    if known:
        return known
    checks = tuple(_field_check(field) for field in descriptor.fields if not is_choice(field))
    oneofs = tuple(_oneof_check(oneof.name, oneof.fields) for oneof in descriptor.oneofs if is_choice(oneof.fields[0]))
    every = (*checks, *oneofs)
    if len(every) == 1:
        return every[0]

    def check(message: Any) -> None:
        for each in every:
            each(message)

    return check


def _oneof_check(name: str, fields: Sequence[FieldDescriptor]) -> Check:
    arms = {field.name: _value_check(field) for field in fields}
    flags = frozenset(field.name for field in fields if field.type == FieldDescriptor.TYPE_BOOL)
    required = not all(is_optional(field) for field in fields)

    def check(message: Any) -> None:
        chosen = message.WhichOneof(name)
        if chosen is None:
            if not required:
                return
            raise Refusal(FIELD_REQUIRED, "is required: one of its forms must be set", name)
        value = getattr(message, chosen)
        if chosen in flags and not value:
            raise Refusal(OUT_OF_RANGE, "must be true when it is chosen", chosen)
        arm = arms[chosen]
        if arm:
            try:
                arm(value)
            except Refusal as refusal:
                raise refusal.below(chosen) from None

    return check


def _field_check(field: FieldDescriptor) -> Check:
    """Return the check of one field outside of oneofs, given its message."""
    if field.is_repeated:
        return _repeated_check(field)
    name, required, presence = field.name, is_required(field), field.has_presence
    check_value = _value_check(field)

    def check(message: Any) -> None:
        value = getattr(message, name)
        if not (message.HasField(name) if presence else value):
            # NaN is true and -0.0 is absent, as proto3 has it.
            if required:
                raise Refusal(FIELD_REQUIRED, "is required", name)
            return
        if check_value:
            try:
                check_value(value)
            except Refusal as refusal:
                raise refusal.below(name) from None

    return check


def _repeated_check(field: FieldDescriptor) -> Check:
    name, required, bounds = field.name, is_required(field), bounds_of(field)
    least = bounds.min_items
    most = bounds.max_items if bounds.HasField("max_items") else None
    check_value = _value_check(field)

    def check(message: Any) -> None:
        values = getattr(message, name)
        count = len(values)
        if not count:
            if required:
                raise Refusal(FIELD_REQUIRED, "is required", name)
            return
        if count < least:
            raise Refusal(TOO_FEW, f"must have at least {least} items", name)
        if most is not None and count > most:
            raise Refusal(TOO_MANY, f"must have at most {most} items", name)
        if check_value:
            index = 0
            try:
                for index, value in enumerate(values):  # noqa: B007  the handler names the item
                    check_value(value)
            except Refusal as refusal:
                step = f"{name}[{index}]"
                raise refusal.below(step) from None

    return check


def _value_check(field: FieldDescriptor) -> Check | None:
    """Return the check of one present value of a field; None where any value is good."""
    if field.message_type is not None:
        is_duration = field.message_type.full_name == values.DURATION
        return values.duration_check(field) if is_duration else _message_check(field.message_type)
    if field.enum_type is not None:
        return values.enum_check(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return None
    if field.type == FieldDescriptor.TYPE_BYTES:
        return values.length_check(field, "bytes")
    return values.string_check(field) if field.type == FieldDescriptor.TYPE_STRING else values.number_check(field)
