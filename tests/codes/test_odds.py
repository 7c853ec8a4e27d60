import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.codes.format import CodeFormat
from vault.codes.odds import GUESSES_PER_HOUR, Odds, check_format_has_room, check_room
from vault.errors import FailedPrecondition, InvalidInput
from vault.model.states import CheckAlgorithm

SIXTEEN = CodeFormat(16, CheckAlgorithm.LUHN, "")


def test_the_default_format_has_room_for_exactly_ten_million() -> None:
    assert Odds(10**15, 0, 1e-8).allowed == 10_000_000
    assert Odds(10**15, 81_105, 1e-8).remaining == 9_918_895


@given(st.integers(1, 9), st.integers(0, 15), st.integers(0, 18))
def test_the_bound_is_exact_for_every_power_of_ten(factor: int, exponent: int, digits: int) -> None:
    bound = float(f"{factor}e-{exponent}")
    exact = Decimal(f"{factor}e-{exponent}") * 10**digits
    assert Odds(10**digits, 0, bound).allowed == math.floor(exact)


def test_a_six_digit_prefix_with_a_million_codes_loses_1700_an_hour() -> None:
    odds = Odds(SIXTEEN._replace(prefix="492912").code_space, 1_000_000, 1e-3)
    assert odds.odds == 1e-3
    assert odds.expected_hits_per_hour == GUESSES_PER_HOUR / 1000 == 1700


def test_nothing_remains_where_too_many_are_live() -> None:
    assert Odds(10**15, 10_000_001, 1e-8).remaining == 0


def test_issuance_up_to_the_bound_is_accepted_and_one_more_refused_with_the_count_allowed() -> None:
    odds = Odds(10**15, 9_999_990, 1e-8)
    check_room(odds, 0)
    check_room(odds, 10)
    with pytest.raises(FailedPrecondition) as caught:
        check_room(odds, 11)
    assert caught.value.reason == "GUESS_ODDS"
    assert caught.value.metadata == {"remaining": "10"}


def test_a_format_with_room_for_one_code_is_accepted() -> None:
    check_format_has_room(CodeFormat(9, CheckAlgorithm.LUHN, ""), 1e-8)


def test_a_format_with_room_for_none_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_format_has_room(CodeFormat(8, CheckAlgorithm.LUHN, ""), 1e-8)
    assert (caught.value.reason, caught.value.field) == ("GUESS_ODDS", "settings.code_format")


@pytest.mark.parametrize("bound", [0.0, -1e-8, 1.5, math.nan, math.inf, -math.inf])
def test_a_bound_that_is_no_chance_is_refused(bound: float) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_format_has_room(SIXTEEN, bound)
    assert (caught.value.reason, caught.value.field) == ("GUESS_ODDS", "settings.max_guess_odds")
