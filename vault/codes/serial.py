"""Serials: the public management numbers printed beside codes.

Format, 13 characters:
    letter           1   A to Z, uniform
    random          11   0 to 9 and A to Z, uniform: 26 * 36^11 or about 3.4e18 serials
    check character  1   ISO/IEC 7064:2003 Mod 37,36 over the twelve before; 0 to 9 or A to Z

1. A serial is drawn by itself, by rejection; it cannot be derived from a code nor a code from it.
2. It begins with a letter, so no scan of a log mistakes it for a code.
3. The check character finds every single wrong character and most swaps of neighbours.

It is no secret and gives no right: whoever knows a serial may still be anybody.
"""

from collections.abc import Callable
from itertools import product
from typing import Final, TypeAlias

from vault.errors import InvalidInput

Random: TypeAlias = Callable[[int], bytes]

SERIAL_LENGTH: Final = 13

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LETTERS: Final = _ALPHABET[10:]
_BODY: Final = 11
_KEPT_FOR_LETTERS: Final = 256 // 26 * 26
_KEPT_FOR_BODY: Final = 256 // 36 * 36
_LETTER_OF: Final = bytes(ord(_LETTERS[value % 26]) for value in range(256))
_CHARACTER_OF: Final = bytes(ord(_ALPHABET[value % 36]) for value in range(256))
_SEPARATORS: Final = {ord(" "): None, ord("-"): None}


def _step(product_before: int, value: int) -> int:
    return ((product_before + value) % 36 or 36) * 2 % 37


# The hybrid system's states are the products 1 to 36; for each pair of characters, where it leads from each.
_LEADS: Final = {
    first + second: bytes(_step(_step(state, value), other) for state in range(37))
    for (value, first), (other, second) in product(enumerate(_ALPHABET), repeat=2)
}
_START: Final = 36
_CHECKS: Final = tuple(_ALPHABET[(1 - state) % 36] for state in range(37))
_PAIRS: Final = tuple(slice(start, start + 2) for start in range(0, SERIAL_LENGTH - 1, 2))


def _check_character(payload: str) -> str:
    state = _START
    for pair in _PAIRS:
        state = _LEADS[payload[pair]][state]
    return _CHECKS[state]


def _draw(count: int, kept: int, characters: bytes, random: Random) -> str:
    drawn = b""
    discarded = bytes(range(kept, 256))
    while (missing := count - len(drawn)) > 0:
        drawn += random(missing * 256 // kept + missing // 32 + 32).translate(characters, discarded)
    return drawn.decode()


def generate_serials(count: int, random: Random) -> list[str]:
    """Draw serials.

    Args:
        count: How many.
        random: Returns as many random bytes as it is asked for; ``os.urandom`` in production.
    """
    letters = _draw(count, _KEPT_FOR_LETTERS, _LETTER_OF, random)
    bodies = _draw(count * _BODY, _KEPT_FOR_BODY, _CHARACTER_OF, random)
    payloads = [letters[place] + bodies[place * _BODY : place * _BODY + _BODY] for place in range(count)]
    return [payload + _check_character(payload) for payload in payloads]


def parse_serial(text: str, field: str = "") -> str:
    """Read a serial that somebody typed: lower case, spaces and hyphens are accepted.

    Args:
        text: What was typed.
        field: Path of the request's field that holds it, for the error.

    Returns:
        The 13 characters in upper case.

    Raises:
        InvalidInput: SERIAL_MALFORMED: not of this form, or the check character is wrong.
    """
    serial = text.translate(_SEPARATORS).upper() if text.isascii() else ""
    if not (
        len(serial) == SERIAL_LENGTH
        and serial.isalnum()
        and serial[0] in _LETTERS
        and _check_character(serial) == serial[-1]
    ):
        # What was typed is not repeated: it may be a code in the wrong place.
        message = "a serial is a letter and 12 further characters of 0-9A-Z, the last of them a check character"
        raise InvalidInput(message, reason="SERIAL_MALFORMED", field=field)
    return serial
