"""What codes look like in bytes, as numbers to compare eight bytes with.

Every form comes down to one of two numbers of a 16-digit code: the integer that its digits spell, or the eight
bytes of its packed decimal (one digit in each half byte, ISO 8583's n-16 bcd). ASCII digits are turned into the
integer, hex and base64 into the bytes they stand for. ``reversed`` digits are a code of their own here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DIGITS = 16
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.uint64]
Positions = npt.NDArray[np.intp]

TABLE_BITS = 22
MIXER = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing: 2^64 divided by the golden ratio
POWERS: Numbers = np.array([10 ** (DIGITS - 1 - place) for place in range(DIGITS)], np.uint64)


class Targets:
    """The numbers that the codes, and their digits reversed, make."""

    def __init__(self, codes: Sequence[bytes]) -> None:
        """Prepare for these codes.

        Args:
            codes: Codes of 16 ASCII digits each.

        Raises:
            ValueError: One is not 16 digits.
        """
        self.count = len(codes)
        joined = b"".join(codes)
        if any(len(code) != DIGITS for code in codes) or (joined and not joined.isdigit()):
            message = "only codes of 16 digits can be searched for"
            raise ValueError(message)
        digits = (np.frombuffer(joined, np.uint8) - ord("0")).reshape(-1, DIGITS)
        both = np.concatenate([digits, digits[:, ::-1]])
        owners = np.concatenate([np.arange(len(codes)), np.arange(len(codes))])
        integers = both.astype(np.uint64) @ POWERS
        packed = ((both[:, 0::2] << 4) | both[:, 1::2]).copy().view(">u8").astype(np.uint64).ravel()
        self._integers = _Sorted(integers, owners)
        self._packed = _Sorted(packed, owners)

    def owners_of_integers(self, values: Numbers) -> Positions:
        """Answer the indexes of the codes whose integer is among the values."""
        return self._integers.find(values)

    def owners_of_packed(self, values: Numbers) -> Positions:
        """Answer the indexes of the codes whose packed decimal is among the values."""
        return self._packed.find(values)


class _Sorted:
    """Numbers in order, each with the index of the code that it belongs to.

    A table by a mixed part of the number tells at once of most that they are not there, without a binary search.
    """

    def __init__(self, values: Numbers, owners: Positions) -> None:
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        self._owners = owners[order]
        self._present = np.zeros(1 << TABLE_BITS, np.bool_)
        self._present[_mixed(values)] = True

    def find(self, values: Numbers) -> Positions:
        likely = values[self._present[_mixed(values)]]
        if not likely.size:
            return np.empty(0, np.intp)
        places = np.minimum(np.searchsorted(self._values, likely), len(self._values) - 1)
        owners: Positions = self._owners[places[self._values[places] == likely]]
        return owners


def _mixed(values: Numbers) -> Numbers:
    mixed: Numbers = (values * MIXER) >> np.uint64(64 - TABLE_BITS)
    return mixed
