"""Check digits as finite automata: Luhn, Damm, and ISO/IEC 7064 Mod 11,10.

1. Each algorithm is a table of states; a digit leads from one state to the next, and each state has its check
   digit.
2. The tables are composed beforehand for blocks of up to three digits, so that a code of 16 digits takes five
   steps, and every code of a length takes the same steps, whatever its digits are and whether it is right.
3. Each algorithm finds every single wrong digit; Damm also every swap of neighbours, the other two most.

A check digit is no protection against someone who guesses: anybody can compute it.

Sources: Luhn, ISO/IEC 7812-1 annex B · Damm, H. M. Damm's thesis of 2004, quasigroup of order 10 · Mod 11,10,
ISO/IEC 7064:2003 section 9 (hybrid system).
"""

from collections.abc import Callable
from typing import NamedTuple

from vault.model.states import CheckAlgorithm

_BLOCK = 3
_DIGITS = tuple(b"%d" % digit for digit in range(10))

_DAMM = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


class _Automaton(NamedTuple):
    """A check digit algorithm.

    Fields:
        leads: For each block of 1 to 3 ASCII digits, where it leads from each state, one byte for each.
        checks: For each state, the ASCII check digit of what has been read.
        starts: The state to begin in for an even and for an odd number of digits.
    """

    leads: dict[bytes, bytes]
    checks: tuple[bytes, ...]
    starts: tuple[int, int]


def _automaton(
    states: int, step: Callable[[int, int], int], check: Callable[[int], int], starts: tuple[int, int]
) -> _Automaton:
    single = {_DIGITS[digit]: bytes(step(state, digit) for state in range(states)) for digit in range(10)}
    leads = dict(single)
    longest = single
    for _ in range(_BLOCK - 1):
        longest = {
            block + digit: bytes(after[state] for state in lead)
            for block, lead in longest.items()
            for digit, after in single.items()
        }
        leads.update(longest)
    return _Automaton(leads, tuple(_DIGITS[check(state)] for state in range(states)), starts)


def _luhn() -> _Automaton:
    # State 2 * sum + 1 doubles the next digit. The last digit before the check digit is doubled, so an odd
    # number of digits begins by doubling.
    def step(state: int, digit: int) -> int:
        total, doubled = divmod(state, 2)
        worth = digit * 2 - 9 * (digit > 4) if doubled else digit  # noqa: PLR2004  doubling carries from 5 on
        return (total + worth) % 10 * 2 + 1 - doubled

    return _automaton(20, step, lambda state: -(state // 2) % 10, (0, 1))


def _damm() -> _Automaton:
    return _automaton(10, lambda state, digit: _DAMM[state][digit], lambda state: state, (0, 0))


def _mod_11_10() -> _Automaton:
    # States are the products 1 to 10; state 0 is never reached and stands so that a state is its own index.
    def step(state: int, digit: int) -> int:
        return ((state + digit) % 10 or 10) * 2 % 11

    return _automaton(11, step, lambda state: (1 - state) % 10, (10, 10))


# Indexed by the number of the algorithm. Number 0 is none: its table is empty, so that using it is a
# LookupError, as any number beyond the last one is.
_AUTOMATA = (_Automaton({}, (), (0, 0)), _luhn(), _damm(), _mod_11_10())


def check_digit(digits: bytes, algorithm: CheckAlgorithm) -> bytes:
    """Compute the check digit to put after some digits.

    Args:
        digits: ASCII digits without the check digit, at least one.
        algorithm: The algorithm.

    Returns:
        One ASCII digit.

    Raises:
        LookupError: There is no such algorithm, or something is not an ASCII digit.
    """
    leads, checks, starts = _AUTOMATA[algorithm]
    count = len(digits)
    state = starts[count & 1]
    for place in range(0, count, _BLOCK):
        state = leads[digits[place : place + _BLOCK]][state]
    return checks[state]


def with_check_digits(payloads: list[bytes], algorithm: CheckAlgorithm) -> list[bytes]:
    """Put its check digit after each of many strings of ASCII digits, all of one length."""
    leads, checks, starts = _AUTOMATA[algorithm]
    count = len(payloads[0]) if payloads else 0
    start = starts[count & 1]
    places = tuple(slice(place, place + _BLOCK) for place in range(0, count, _BLOCK))
    complete = []
    for payload in payloads:
        state = start
        for place in places:
            state = leads[payload[place]][state]
        complete.append(payload + checks[state])
    return complete
