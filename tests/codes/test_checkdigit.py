from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import damm, luhn
from stdnum.iso7064 import mod_11_10

from tests.vectors import load
from vault.codes.checkdigit import check_digit, with_check_digits
from vault.codes.format import has_check_digit
from vault.model.states import CheckAlgorithm

ORACLES: dict[CheckAlgorithm, Callable[[str], str]] = {
    CheckAlgorithm.LUHN: luhn.calc_check_digit,
    CheckAlgorithm.DAMM: damm.calc_check_digit,
    CheckAlgorithm.MOD_11_10: mod_11_10.calc_check_digit,
}
digits = st.text("0123456789", min_size=1, max_size=24)
algorithms = st.sampled_from(CheckAlgorithm)


@given(digits, algorithms)
def test_check_digits_are_those_of_an_independent_implementation(text: str, algorithm: CheckAlgorithm) -> None:
    assert check_digit(text.encode(), algorithm).decode() == ORACLES[algorithm](text)


payloads_of_one_length = st.integers(7, 18).flatmap(
    lambda length: st.lists(st.text("0123456789", min_size=length, max_size=length), max_size=20)
)


@given(payloads_of_one_length, algorithms)
def test_many_check_digits_are_those_of_one_at_a_time(texts: list[str], algorithm: CheckAlgorithm) -> None:
    payloads = [text.encode() for text in texts]
    expected = [payload + check_digit(payload, algorithm) for payload in payloads]
    assert with_check_digits(payloads, algorithm) == expected


@given(st.text("0123456789", min_size=7, max_size=18), algorithms)
def test_every_single_wrong_digit_is_found(text: str, algorithm: CheckAlgorithm) -> None:
    code = text.encode() + check_digit(text.encode(), algorithm)
    assert has_check_digit(code, algorithm)
    for place, right in enumerate(code):
        for wrong in b"0123456789":
            changed = code[:place] + bytes((wrong,)) + code[place + 1 :]
            assert has_check_digit(changed, algorithm) == (wrong == right)


@given(st.text("0123456789", min_size=7, max_size=18))
def test_damm_finds_every_swap_of_neighbours(text: str) -> None:
    code = text.encode() + check_digit(text.encode(), CheckAlgorithm.DAMM)
    for place in range(len(code) - 1):
        first, second = code[place : place + 2]
        swapped = code[:place] + bytes((second, first)) + code[place + 2 :]
        assert has_check_digit(swapped, CheckAlgorithm.DAMM) == (first == second)


@pytest.mark.parametrize("case", load("checkdigit"))
def test_frozen_check_digits_hold(case: dict[str, str]) -> None:
    assert check_digit(case["digits"].encode(), CheckAlgorithm[case["algorithm"]]) == case["check"].encode()


@pytest.mark.parametrize("number", [0, 4, 200])
def test_an_unknown_algorithm_computes_nothing(number: int) -> None:
    with pytest.raises(LookupError):
        check_digit(b"1234567", number)  # type: ignore[arg-type]


def test_what_is_no_digit_is_refused() -> None:
    with pytest.raises(LookupError):
        check_digit(b"12a4567", CheckAlgorithm.LUHN)
