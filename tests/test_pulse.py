"""When a process is taken to hang; times are made up."""

from vault.pulse import LATE_SECONDS, Pulse


def pulse() -> Pulse:
    return Pulse(100.0, start_seconds=60, hang_seconds=5)


def problems(watched: Pulse, since: float, until: float) -> list[tuple[float, str]]:
    """Ask every second, as the supervisor does, and return when it was said to hang and why."""
    times = [since + step for step in range(int(until - since) + 1)]
    return [(now, problem) for now in times if (problem := watched.problem(now))]


def test_a_process_may_take_its_time_to_come_up_but_not_for_ever() -> None:
    watched = pulse()
    assert problems(watched, 100, 160) == []
    assert problems(watched, 161, 161) == [(161, "it has not come up within 60 s")]


def test_a_process_that_serves_hangs_once_it_is_silent_for_longer_than_its_time() -> None:
    watched = pulse()
    watched.serves(120)
    assert problems(watched, 101, 125) == []
    watched.beat(125)
    assert problems(watched, 126, 131) == [(131, "it has been silent for 6.0 s")]
    watched.beat(131.5)
    assert problems(watched, 132, 136) == []


def test_a_process_that_says_that_it_is_stuck_is_believed_at_once_and_until_it_says_otherwise() -> None:
    watched = pulse()
    watched.serves(101)
    watched.beat(102, "its writer has not answered for 60 s")
    assert problems(watched, 102, 103) == [
        (102, "its writer has not answered for 60 s"),
        (103, "its writer has not answered for 60 s"),
    ]
    watched.beat(104)
    assert problems(watched, 104, 105) == []


def test_nobody_is_blamed_for_the_time_in_which_the_supervisor_did_not_run() -> None:
    watched = pulse()
    watched.serves(101)
    assert problems(watched, 101, 104) == []
    assert watched.problem(3600) == ""
    assert problems(watched, 3601, 3603) == [(3603, "it has been silent for 6.0 s")]
    starting = pulse()
    assert starting.problem(100 + 3600) == ""


def test_looking_a_little_late_is_no_excuse_for_the_process() -> None:
    watched = pulse()
    watched.serves(100)
    late = [100 + LATE_SECONDS * step for step in range(1, 5)]
    assert [bool(watched.problem(now)) for now in late] == [False, False, False, True]
