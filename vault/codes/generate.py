"""Drawing codes.

1. Every code of a format is equally likely, and independent of all others: bytes of 250 and above are thrown
   away, so that the rest modulo 10 is uniform (NIST SP 800-90A revision 1, appendix A.5.1, simple discard).
2. Codes are cut from one draw in C; a code is never an int and never text on the way.

It does not promise that no two are the same: the store's constraint on the digest does, with a retry.
"""

from collections.abc import Callable
from typing import TypeAlias

from vault.codes.checkdigit import with_check_digits
from vault.codes.code import Code
from vault.codes.format import CodeFormat

Random: TypeAlias = Callable[[int], bytes]

_KEPT = 250
_AS_DIGITS = bytes(48 + value % 10 for value in range(256))
_DISCARDED = bytes(range(_KEPT, 256))


def _draw_digits(count: int, random: Random) -> bytes:
    drawn = b""
    while (missing := count - len(drawn)) > 0:
        # A surplus of 1/32 and 32 covers the 6 of 256 that are thrown away, so that a second draw is rare.
        drawn += random(missing + missing // 32 + 32).translate(_AS_DIGITS, _DISCARDED)
    return drawn


def generate(code_format: CodeFormat, count: int, random: Random) -> list[Code]:
    """Draw codes.

    Args:
        code_format: A format that ``validate_format`` accepts.
        count: How many; memory is in proportion, about 150 bytes each.
        random: Returns as many random bytes as it is asked for; ``os.urandom`` in production.
    """
    width = code_format.random_digits
    digits = _draw_digits(count * width, random)
    prefix = code_format.prefix.encode()
    payloads = [prefix + digits[start : start + width] for start in range(0, count * width, width)]
    return list(map(Code, with_check_digits(payloads, code_format.check_algorithm)))
