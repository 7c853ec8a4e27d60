"""Values as PostgreSQL reads them in binary.

1. Every int travels as bigint, members of an ``IntEnum`` too, so a statement is prepared once, not once for
   each size of number.
2. A column of many rows travels as one array.

Array (PostgreSQL's array_recv): dimensions, 1 (4 bytes) · whether it has nulls (4) · element type (4) · length
(4) · lower bound, 1 (4) · each element: its length, -1 for NULL (4), its bytes. All big-endian.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_type_hints

_NULL = b"\xff\xff\xff\xff"
_HEAD = struct.Struct("!iiIii").pack
_INT = struct.Struct("!iq").pack
_FLOAT = struct.Struct("!id").pack
_SIZE = struct.Struct("!i").pack
_PLAIN_INT = struct.Struct("!q").pack
_PLAIN_FLOAT = struct.Struct("!d").pack
_BYTEA, _BIGINT, _TEXT, _DOUBLE = 17, 20, 25, 701
"""PostgreSQL's OIDs of the types, pg_type.dat."""


class Array(bytes):
    """The bytes of an array, ready to be sent."""

    __slots__ = ()


class ByteaArray(Array):
    """An array of bytea."""

    __slots__ = ()


class TextArray(Array):
    """An array of text."""

    __slots__ = ()


class BigintArray(Array):
    """An array of bigint."""

    __slots__ = ()


class DoubleArray(Array):
    """An array of double precision."""

    __slots__ = ()


def _bytes(value: bytes) -> bytes:
    return _SIZE(len(value)) + value


def _text(value: str) -> bytes:
    return _bytes(value.encode())


_KINDS: dict[type, tuple[type[Array], int, Callable[[Any], bytes], str]] = {
    bytes: (ByteaArray, _BYTEA, _bytes, "bytea"),
    str: (TextArray, _TEXT, _text, "text"),
    int: (BigintArray, _BIGINT, lambda value: _INT(8, value), "int8"),
    float: (DoubleArray, _DOUBLE, lambda value: _FLOAT(8, value), "float8"),
}
_ARRAY_OIDS: dict[type[Array], int] = {ByteaArray: 1001, TextArray: 1009, BigintArray: 1016, DoubleArray: 1022}


def column_kinds(row: type[Any]) -> tuple[type, ...]:
    """Return the plain type of each field of a row: bytes, str, int or float."""
    kinds = []
    for hint in get_type_hints(row).values():
        plain = next((choice for choice in get_args(hint) if choice is not type(None)), hint)
        kinds.append(int if issubclass(plain, int) else plain)
    return tuple(kinds)


def type_name(kind: type) -> str:
    """Return PostgreSQL's name of the type that holds values of this one."""
    return _KINDS[kind][3]


def array(kind: type, values: Sequence[Any]) -> Array:
    """Return an array of values of one type, any of them None."""
    made, oid, encode, _ = _KINDS[kind]
    nulls = None in values
    if nulls:
        fields = b"".join([_NULL if value is None else encode(value) for value in values])
    else:
        fields = b"".join(map(encode, values))
    return made(_HEAD(1, int(nulls), oid, len(values), 1) + fields)


def parameter(value: Any) -> tuple[int, bytes | None]:
    """Return the OID of a value's type, 0 to have the server know it, and the value's bytes."""
    if value is None:
        return 0, None
    if isinstance(value, Array):
        return _ARRAY_OIDS[type(value)], value
    if isinstance(value, bytes):
        return _BYTEA, value
    if isinstance(value, str):
        return _TEXT, value.encode()
    return (_DOUBLE, _PLAIN_FLOAT(value)) if isinstance(value, float) else (_BIGINT, _PLAIN_INT(value))
