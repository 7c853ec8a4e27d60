"""Telling times apart: equal ones are, different ones are not, and t is Welch's."""

import math
from secrets import SystemRandom
from statistics import mean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.welch import LARGEST_T, differences, welch_t

samples = st.lists(st.floats(0.0, 1e6), min_size=2, max_size=50)


@given(one=samples, other=samples)
def test_t_is_welchs(one: list[float], other: list[float]) -> None:
    error = math.sqrt(variance(one) / len(one) + variance(other) / len(other))
    if error > 1e-3:
        assert welch_t(one, other) == pytest.approx((mean(one) - mean(other)) / error, rel=1e-6, abs=1e-9)


def test_samples_that_do_not_vary_differ_or_do_not() -> None:
    assert welch_t([1.0, 1.0], [1.0, 1.0]) == 0.0
    assert welch_t([2.0, 2.0], [1.0, 1.0]) == math.inf
    assert welch_t([2.0], [1.0, 1.0]) == 0.0


def times(shift: float, slow: float = 0.0) -> list[float]:
    """Return 5,000 times with the long tail that a busy machine makes."""
    gauss, uniform = SystemRandom().gauss, SystemRandom().random
    return [100.0 + shift + abs(gauss(0.0, 10.0)) + (slow * uniform() if uniform() < 0.1 else 0.0) for _ in range(5000)]


def test_equal_times_are_not_told_apart() -> None:
    found = differences({"one": times(0.0), "other": times(0.0)}, "one")
    assert abs(found["other"].t) < 7.0  # 4.5 would fail once in some hundred runs
    assert abs(found["other"].median) < 2.0


def test_a_small_difference_below_a_long_tail_is_found_by_leaving_out_what_is_slow() -> None:
    one, other = times(0.0, slow=100_000.0), times(3.0, slow=100_000.0)
    assert abs(welch_t(one, other)) < LARGEST_T
    found = differences({"one": one, "other": other}, "one")
    assert found["other"].t > LARGEST_T
    assert found["other"].median == pytest.approx(3.0, abs=2.0)
    assert found["other"].visible < 3.0
