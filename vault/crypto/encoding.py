"""Values as bytes, so that no two lists of values have the same bytes.

Format of a value:
    type      1   0 None, 1 int, 2 float, 3 str, 4 bytes
    value         None: nothing · int: 8 bytes, signed, big-endian · float: 8 bytes, IEEE 754, big-endian ·
                  str: length of its UTF-8 (4 bytes, big-endian) and UTF-8 · bytes: length (4 bytes) and bytes

1. Injective: each value says where it ends, so a list's bytes can be read in one way only, and a list is never
   the beginning of another list's bytes with the same number of values.
2. An IntEnum and a bool are the int that they are, as they come back from a store. An int is never a float.

The bytes are covered by MACs and associated data; nothing ever decodes them.
"""

from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

_INT = Struct(">Bq").pack
_FLOAT = Struct(">Bd").pack
_LENGTH = Struct(">BI").pack

_READY: Final = 256
# Ready-made pieces for what nearly every row holds; they are what the functions above would make.
_SMALL_INTS: Final = tuple(_INT(1, value) for value in range(_READY))
_STR_STARTS: Final = tuple(_LENGTH(3, length) for length in range(_READY))
_BYTES_STARTS: Final = tuple(_LENGTH(4, length) for length in range(_READY))


def encode(values: Iterable[Any]) -> bytes:
    """Encode values one after the other.

    Raises:
        TypeError: A value is of another type.
        struct.error: An int does not fit 64 bits.
    """
    parts: list[bytes] = []
    append = parts.append
    for value in values:
        # Exact types first, in the order of how often rows hold them: this runs for every row that is read.
        kind = type(value)
        if kind is int:
            append(_SMALL_INTS[value] if 0 <= value < _READY else _INT(1, value))
        elif value is None:
            append(b"\x00")
        elif kind is bytes:
            length = len(value)
            append(_BYTES_STARTS[length] if length < _READY else _LENGTH(4, length))
            append(value)
        elif kind is str:
            text = value.encode()
            length = len(text)
            append(_STR_STARTS[length] if length < _READY else _LENGTH(3, length))
            append(text)
        else:
            append(_rare(value))
    return b"".join(parts)


def _rare(value: object) -> bytes:
    """Encode a value of a type that rows seldom hold."""
    if isinstance(value, int):
        return _INT(1, value)
    if isinstance(value, float):
        return _FLOAT(2, value)
    message = f"a {type(value).__name__} has no encoding"
    raise TypeError(message)
