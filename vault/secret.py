"""A value that must not be seen.

1. It has no text: ``repr``, ``str`` and ``format`` show only its class.
2. It cannot be pickled or copied, so it does not travel between processes by accident.
3. It compares in constant time, and only with its own kind; it has no hash.
4. Reading it takes the one method named ``expose``, so every use can be found by searching for that word.

It does not protect against someone who reads this process's memory: Python keeps no promise about wiping bytes.
"""

import hmac
from typing import NoReturn, Self


class Secret:
    """Bytes that are shown only to who asks for them by ``expose``."""

    __slots__ = ("__weakref__", "_value")
    __hash__ = None  # type: ignore[assignment]  # a hash would let a secret become a dictionary key, which prints

    def __init__(self, value: bytes) -> None:
        self._value = value

    def expose(self) -> bytes:
        """Return the secret bytes."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = f"a {type(self).__name__} cannot be pickled or copied"
        raise TypeError(message)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
