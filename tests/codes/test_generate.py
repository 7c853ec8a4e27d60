import os
from collections import Counter
from typing import Any

import pytest

from tests.vectors import Stream, load
from vault.codes.code import Code
from vault.codes.format import CodeFormat, has_check_digit
from vault.codes.generate import generate
from vault.model.states import CheckAlgorithm


@pytest.mark.parametrize("algorithm", CheckAlgorithm)
@pytest.mark.parametrize(("length", "prefix"), [(16, ""), (8, ""), (19, "49"), (16, "49291234"), (8, "000000")])
def test_codes_have_the_form_of_their_format(algorithm: CheckAlgorithm, length: int, prefix: str) -> None:
    codes = generate(CodeFormat(length, algorithm, prefix), 200, os.urandom)
    assert len(codes) == 200
    for code in codes:
        digits = code.expose()
        assert isinstance(code, Code)
        assert len(digits) == length
        assert digits.isdigit()
        assert digits.startswith(prefix.encode())
        assert has_check_digit(digits, algorithm)


def test_every_byte_below_250_is_used_evenly_and_no_other() -> None:
    # All 256 byte values once: 250 of them are kept, so each digit comes 25 times.
    code_format = CodeFormat(11, CheckAlgorithm.LUHN, "")
    codes = generate(code_format, 25, lambda count: bytes(reversed(range(256))) + bytes(count))
    drawn = Counter(b"".join(code.expose()[:-1] for code in codes))
    assert drawn == dict.fromkeys(b"0123456789", 25)


def test_rejected_bytes_are_drawn_again_until_there_are_enough() -> None:
    calls: list[int] = []

    def mostly_rejected(count: int) -> bytes:
        calls.append(count)
        return b"\xff" * (count - 9) + bytes(range(1, 10))

    codes = generate(CodeFormat(16, CheckAlgorithm.DAMM, ""), 3, mostly_rejected)
    assert b"".join(code.expose()[:-1] for code in codes) == b"123456789" * 5
    assert len(calls) == 5


def test_digits_are_uniform_at_every_place() -> None:
    # Chi-squared with 9 degrees of freedom: above 40 with a chance of 8 in a million for one place.
    stream = Stream("uniform")
    codes = [code.expose() for code in generate(CodeFormat(16, CheckAlgorithm.LUHN, ""), 20_000, stream)]
    for place in range(16):
        counts = Counter(digits[place] for digits in codes)
        assert sum((counts[digit] - 2000) ** 2 / 2000 for digit in b"0123456789") < 40


def test_codes_are_not_the_same_twice() -> None:
    code_format = CodeFormat(19, CheckAlgorithm.LUHN, "")
    codes = {code.expose() for code in generate(code_format, 10_000, os.urandom)}
    assert len(codes) == 10_000


def test_no_codes_are_asked_for_and_none_come() -> None:
    assert generate(CodeFormat(16, CheckAlgorithm.LUHN, ""), 0, os.urandom) == []


@pytest.mark.parametrize("case", load("generate"))
def test_frozen_draws_hold(case: dict[str, Any]) -> None:
    length, algorithm, prefix = case["format"]
    code_format = CodeFormat(length, CheckAlgorithm[algorithm], prefix)
    codes = generate(code_format, len(case["codes"]), Stream(case["seed"]))
    assert [code.expose().decode() for code in codes] == case["codes"]
