"""What goes to standard output: tables for people, one JSON value for programs.

1. Fields marked ``debug_redact`` in the protos (codes and records) are left out, unless the command delivers
   them to this caller on purpose.
2. A table is drawn by rich on a terminal; elsewhere it is plain columns, so that other programs can cut it.
"""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Row = TypeVar("Row", bound=Message)


class Column(NamedTuple, Generic[Row]):
    """A column of a table: its title, and how a message is shown in it."""

    title: str
    show: Callable[[Row], str]


class Output:
    """Writes a command's result to standard output, as JSON or for people."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def one(self, message: Row, columns: Sequence[Column[Row]], *, delivered: bool = False) -> None:
        """Write one message: a JSON object, or a line for each column."""
        if self.as_json:
            self.value(plain(message, delivered=delivered))
            return
        width = max(len(column.title) for column in columns)
        for column in columns:
            print(f"{column.title:{width}}  {column.show(message)}")

    def many(self, messages: Iterable[Row], columns: Sequence[Column[Row]], *, delivered: bool = False) -> None:
        """Write several messages: a JSON array, or a table."""
        if self.as_json:
            self.value([plain(message, delivered=delivered) for message in messages])
            return
        rows = [[column.show(message) for column in columns] for message in messages]
        table([column.title for column in columns], rows)

    def value(self, value: Any) -> None:
        """Write one JSON value."""
        print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None))

    def note(self, text: str) -> None:
        """Say something to a person: on standard output, or on standard error beside JSON."""
        print(text, file=sys.stderr if self.as_json else sys.stdout)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table to standard output."""
    if sys.stdout.isatty() and _rich_table(titles, rows):
        return
    lines = [list(titles), *map(list, rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(titles))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _rich_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    try:
        from rich import box, console, table, text  # noqa: PLC0415  # slow to import, and absent from a plain install
    except ModuleNotFoundError:
        return False
    drawn = table.Table(*titles, box=box.SIMPLE_HEAD)
    for row in rows:
        drawn.add_row(*map(text.Text, row))
    console.Console().print(drawn)
    return True


def plain(message: Message, *, delivered: bool = False) -> dict[str, Any]:
    """Answer a message as protobuf JSON with the protos' field names, without secret fields unless delivered."""
    shown = message
    if not delivered:
        shown = type(message)()
        shown.CopyFrom(message)
        conceal(shown)
    return MessageToDict(shown, preserving_proto_field_name=True)


def conceal(message: Message) -> None:
    """Clear every field marked ``debug_redact``, at any depth."""
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and not _is_map(field.message_type):
            for part in value if field.is_repeated else (value,):
                conceal(part)


def _is_map(descriptor: Descriptor | None) -> bool:
    return descriptor is not None and descriptor.GetOptions().map_entry


def moment(time: Timestamp) -> str:
    """Answer a time in UTC to the second, or a dash for none."""
    if not time.seconds and not time.nanos:
        return "-"
    return datetime.fromtimestamp(time.seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def word(enum: Any, number: int) -> str:
    """Answer an enum value's name without the enum's own name before it, in lower case; a dash for zero."""
    if number == 0:
        return "-"
    name: str = enum.Name(number)
    zero: str = enum.Name(0)
    return name.removeprefix(zero.removesuffix("UNSPECIFIED")).lower()
