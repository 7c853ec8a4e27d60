import pytest

from bench.connections import Watch, connections_figure
from bench.figure import Figure, middle
from bench.report import show


def figure(value: float, reach: float | None, *, at_most: bool = False) -> Figure:
    return Figure("speed", value, "calls/s", 10.0, "echo", reach, at_most)


def test_a_figure_holds_from_its_reach_on() -> None:
    assert figure(6.0, 0.6).holds is True
    assert figure(5.9, 0.6).holds is False


def test_a_limit_holds_up_to_its_reach() -> None:
    assert figure(20.0, 2.0, at_most=True).holds is True
    assert figure(20.1, 2.0, at_most=True).holds is False


def test_a_yardstick_that_is_only_shown_is_no_verdict() -> None:
    shown = figure(1.0, None)
    assert shown.holds is None
    assert (shown.as_json()["reach"], shown.as_json()["holds"], shown.as_json()["ratio"]) == (None, None, 0.1)


def test_the_table_has_a_line_for_each_figure(capsys: pytest.CaptureFixture[str]) -> None:
    show([figure(6.0, 0.6), figure(5.0, 0.6), figure(1.0, None)])
    lines = [line for line in capsys.readouterr().out.splitlines() if "speed" in line]
    assert ["holds" in line for line in lines] == [True, False, False]
    assert ["falls short" in line for line in lines] == [False, True, False]


def test_the_middle_of_an_even_number_of_runs_lies_between_two() -> None:
    assert middle([1.0, 4.0, 2.0, 3.0]) == 2.5


def test_connections_are_held_against_three_for_each_process() -> None:
    watch = Watch()
    watch.most = 9
    assert connections_figure(watch, 3).holds is True
    watch.most = 10
    assert connections_figure(watch, 3).holds is False


def test_connections_that_nobody_saw_are_no_figure() -> None:
    with pytest.raises(RuntimeError, match="no connection"):
        connections_figure(Watch(), 3)
