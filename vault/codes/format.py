"""The format of a program's codes, and reading codes that people or machines typed.

1. A format is validated once, when its program is made; every code drawn under it has exactly its form.
2. ``normalize`` accepts what hands and Japanese keyboards put between and for digits, and nothing else. It says
   what is wrong without ever repeating what was typed.
"""

from typing import Final, NamedTuple

from vault.codes.checkdigit import check_digit
from vault.errors import InvalidInput
from vault.model.states import CheckAlgorithm

MIN_LENGTH: Final = 8
MAX_LENGTH: Final = 19

_SEPARATORS: Final = b" -"
# What a Japanese keyboard gives: the ideographic space and full-width digits; and what else looks like a hyphen
# (U+2010 hyphen, U+2011 non-breaking hyphen, U+2212 minus sign, U+FF0D full-width hyphen-minus).
_WIDE: Final[dict[int, str | None]] = {
    0x3000: None,
    0x2010: None,
    0x2011: None,
    0x2212: None,
    0xFF0D: None,
    **{0xFF10 + digit: str(digit) for digit in range(10)},
}


class CodeFormat(NamedTuple):
    """How a program's codes look.

    Fields:
        length: Digits of a code, check digit and prefix included, 8 to 19.
        check_algorithm: How the last digit is computed.
        prefix: Leading digits that every code shares; usually none.
    """

    length: int
    check_algorithm: CheckAlgorithm
    prefix: str

    @property
    def random_digits(self) -> int:
        """Digits that are drawn: all but the prefix and the check digit."""
        return self.length - len(self.prefix) - 1

    @property
    def code_space(self) -> int:
        """How many codes there can be."""
        return int(10**self.random_digits)


def validate_format(code_format: CodeFormat) -> None:
    """Accept a format for a new program.

    Raises:
        InvalidInput: CODE_FORMAT: a part of it is out of bounds; ``field`` is ``settings.code_format.`` and the
            part.
    """
    if not MIN_LENGTH <= code_format.length <= MAX_LENGTH:
        message = f"a code has {MIN_LENGTH} to {MAX_LENGTH} digits"
        raise InvalidInput(message, reason="CODE_FORMAT", field="settings.code_format.length")
    if code_format.check_algorithm not in tuple(CheckAlgorithm):
        message = "the check digit algorithm is not one that the vault knows"
        raise InvalidInput(message, reason="CODE_FORMAT", field="settings.code_format.check_algorithm")
    prefix = code_format.prefix
    if prefix and not (prefix.isascii() and prefix.isdigit()):
        message = "a prefix holds nothing but the digits 0 to 9"
        raise InvalidInput(message, reason="CODE_FORMAT", field="settings.code_format.prefix")
    if code_format.random_digits < 1:
        message = "the prefix leaves no digit to draw: shorten it or lengthen the code"
        raise InvalidInput(message, reason="CODE_FORMAT", field="settings.code_format.prefix")


def normalize(text: str, field: str = "") -> bytes:
    """Reduce a code as it was typed to its ASCII digits.

    Spaces and hyphens are left out, the ideographic space U+3000 among them; full-width digits (U+FF10 to
    U+FF19) become ASCII.

    Args:
        text: What was typed.
        field: Path of the request's field that holds it, for the error.

    Raises:
        InvalidInput: CODE_MALFORMED: something else is left, or not 8 to 19 digits.
    """
    if not text.isascii():
        text = text.translate(_WIDE)
    digits = text.encode(errors="replace").translate(None, _SEPARATORS)
    if not (MIN_LENGTH <= len(digits) <= MAX_LENGTH and digits.isdigit()):
        message = f"a code is {MIN_LENGTH} to {MAX_LENGTH} digits"
        raise InvalidInput(message, reason="CODE_MALFORMED", field=field)
    return digits


def has_check_digit(digits: bytes, algorithm: CheckAlgorithm) -> bool:
    """Tell whether the last of some ASCII digits (at least two) is the check digit of those before."""
    return check_digit(digits[:-1], algorithm) == digits[-1:]
