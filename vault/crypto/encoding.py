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

_INT = Struct(">Bq").pack
_FLOAT = Struct(">Bd").pack
_LENGTH = Struct(">BI").pack


def encode(values: Iterable[object]) -> bytes:
    """Encode values one after the other.

    Raises:
        TypeError: A value is of another type.
        struct.error: An int does not fit 64 bits.
    """
    parts: list[bytes] = []
    append = parts.append
    for value in values:
        if value is None:
            append(b"\x00")
        elif isinstance(value, int):
            append(_INT(1, value))
        elif isinstance(value, bytes):
            append(_LENGTH(4, len(value)))
            append(value)
        elif isinstance(value, str):
            text = value.encode()
            append(_LENGTH(3, len(text)))
            append(text)
        elif isinstance(value, float):
            append(_FLOAT(2, value))
        else:
            message = f"a {type(value).__name__} has no encoding"
            raise TypeError(message)
    return b"".join(parts)
