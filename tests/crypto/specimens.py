"""Rows of any table, made from its columns' types, so that a new column is in them the day it is added."""

import types
from enum import IntEnum
from typing import Any, get_args, get_type_hints

from tests.vectors import Stream
from vault.model.shape import Shape


def specimen(shape: Shape, number: int) -> Any:
    """Return a full row; rows of different numbers differ in every column that can."""
    hints = get_type_hints(shape.row)
    return shape.row(*(_value(name, hints[name], number) for name in shape.columns))


def other(value: object) -> object:
    """Return another value of the same type."""
    if isinstance(value, IntEnum):
        kinds = list(type(value))
        return kinds[(kinds.index(value) + 1) % len(kinds)]
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, bytes):
        return bytes((value[0] ^ 1,)) + value[1:]
    assert isinstance(value, int | float)
    return value + 1


def _value(name: str, kind: Any, number: int) -> Any:
    if isinstance(kind, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not types.NoneType)
    if issubclass(kind, IntEnum):
        kinds = list(kind)
        return kinds[number % len(kinds)]
    if kind is bytes:
        return Stream(f"{name} {number}")(16)
    return {str: f"{name}-{number}", int: number, float: number / 4}[kind]
