"""What is computed once from a secret and kept as long as the secret itself.

1. The value of a secret is made by its first use and let go of with the secret: nothing here makes a key live
   longer than whoever holds it.
2. Values are found by the secret object, never by its bytes, so no secret becomes a dictionary's key.

It does not wipe what it lets go of; Python keeps no promise about that.
"""

from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import ref

from vault.secret import Secret

T = TypeVar("T")


class Derived(Generic[T]):
    """A function of a secret that remembers its values."""

    __slots__ = ("_make", "_values")

    def __init__(self, make: Callable[[Secret], T]) -> None:
        """Take the function; it must answer the same for the same secret each time."""
        self._make = make
        self._values: dict[int, tuple[ref[Secret], T]] = {}

    def __call__(self, secret: Secret) -> T:
        """Return the secret's value."""
        place = id(secret)
        found = self._values.get(place)
        if found is not None and found[0]() is secret:
            return found[1]
        value = self._make(secret)
        # The reference goes with the entry, so an entry of a later secret at the same place is never taken out.
        self._values[place] = (ref(secret, lambda _: self._values.pop(place, None)), value)
        return value

    def __len__(self) -> int:
        return len(self._values)
