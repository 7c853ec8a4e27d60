"""Ids of what a program has, so that cases with effects reach more than "not found".

A field such as ``batch_id`` stands in the cases as ``${batch_id}``. Some List method answers items whose first
field it is, which is how that method is found; where there is none, or it lists nothing, an id is made up.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from vault.contract.options import Method
from vault.contract.requests import good_request

SUFFIX = "_id"
_ALONE = {"program"}


class Source(NamedTuple):
    """A List method that answers ids: of which name, and the field of its answer that holds the items."""

    name: str
    method: Method
    items: FieldDescriptor

    def first(self, body: bytes) -> str:
        """Return the first id of an answer; empty if it has none."""
        answer: Any = GetMessageClass(self.method.response).FromString(body)
        items = getattr(answer, self.items.name)
        return str(getattr(items[0], self.name)) if items else ""


def sources(methods: Iterable[Method]) -> Iterator[Source]:
    """Walk the List methods that answer ids and take no more than a program."""
    for method in methods:
        if not method.has("page_token") or set(good_request(method.request)) != _ALONE:
            continue
        for field in method.response.fields:
            if field.is_repeated and field.message_type:
                name = field.message_type.fields[0].name
                if name.endswith(SUFFIX):
                    yield Source(name, method, field)


def without_secrets(message: Message) -> Message:
    """Return a message without the fields marked ``debug_redact``: what is delivered in them was asked for."""
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            message.ClearField(field.name)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for part in value if field.is_repeated else (value,):
                without_secrets(part)
    return message
