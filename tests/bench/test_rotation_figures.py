"""Verdicts about re-issues, moves of keys, and validations that are offered meanwhile."""

import json

import pytest

from bench.clients import Run, WrongAnswer
from bench.figure import Figure
from bench.moves import Moved, Rungs, moves_figures
from bench.officer import Done
from bench.reissue import Lot, Seen, freeze_figures, reissue_figures
from bench.steady import Offered

LOT = Lot(81_105, 10.0, 1)
RUNGS = Rungs(10_000, 100_000, 1_000_000, 1)


def offered(*calls: tuple[float, int], wrong: int = 0) -> Offered:
    load = Offered()
    load.take(json.dumps({"wrong": wrong, "calls": calls}))
    return load


def seen(seconds: float, bare: float, idle_ms: float, during_ms: float) -> Seen:
    done = Done("", 0.0, seconds, LOT.cards)
    return Seen([0.5], [done], [done], [bare], [Run(300.0, 1.0, idle_ms)], [Run(300.0, 1.0, during_ms)])


def verdicts(figures: list[Figure]) -> list[bool | None]:
    return [figure.holds for figure in figures]


def test_calls_count_for_the_time_in_which_they_were_due() -> None:
    load = offered((1.0, 9_000), (2.0, 1_000), (2.5, 2_000), (3.0, 8_000))
    assert load.between(2.0, 3.0) == Run(2.0, 2.0, 2.0)


def test_one_wrong_answer_at_any_time_ends_the_bench() -> None:
    with pytest.raises(WrongAnswer):
        offered((1.0, 1_000), wrong=1).between(0.0, 2.0)


def test_a_time_without_calls_is_no_figure() -> None:
    with pytest.raises(RuntimeError, match="no call"):
        offered((1.0, 1_000)).between(2.0, 3.0)


def test_a_reissue_is_held_against_bare_writing_its_limit_and_validations() -> None:
    assert verdicts(reissue_figures(seen(19.0, 10_000.0, 5.0, 25.0), LOT, "bare")) == [True, True, True, True]
    assert verdicts(reissue_figures(seen(21.0, 20_000.0, 5.0, 26.0), LOT, "bare")) == [False, False, False, False]


def test_where_validations_are_slow_when_idle_they_may_take_twice_that() -> None:
    assert reissue_figures(seen(19.0, 1.0, 20.0, 39.0), LOT, "bare")[-1].holds is True
    assert reissue_figures(seen(19.0, 1.0, 20.0, 41.0), LOT, "bare")[-1].holds is False


def test_a_freeze_is_held_against_a_second() -> None:
    (figure,) = freeze_figures(seen(1.0, 1.0, 1.0, 1.0), LOT)
    assert (figure.value, figure.holds) == (0.5, True)


def test_moves_are_held_against_their_rates_and_the_larger_vault_against_the_smaller() -> None:
    asked = frozenset({"rekey", "rewrap", "job-memory"})
    moved = Moved([20_000.0], [80_000.0], [50_000.0], [90_000.0], [40_000.0], [50.0, 70.0])
    holds = [True, None, True, None, True, True, False]
    assert verdicts(moves_figures(moved, RUNGS, asked)) == holds
    slower = moved._replace(rewrap_large=[39_000.0])
    assert verdicts(moves_figures(slower, RUNGS, frozenset({"rewrap"}))) == [True, None, False, False]
