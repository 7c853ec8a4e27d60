"""What the shops of the incident's story know to be true, the moments they know it by, and the killer."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cli.demo import steps, story
from vault.cli.demo.killer import Killer, job_processes
from vault.cli.demo.latency import percentile_ms
from vault.cli.demo.moments import FREEZING, FROZEN, REISSUED, REISSUING, THAWED, THAWING, Moments
from vault.cli.demo.parties.traffic import Answer, first_refusal_seconds
from vault.cli.demo.plan import plan
from vault.cli.demo.truth import Kind, owed, positions

SOLD = (Kind.UNUSED, Kind.ZERO, Kind.IN_USE)
TOLD = {FREEZING: 10.0, FROZEN: 11.0, THAWING: 20.0, THAWED: 21.0}
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize("kind", SOLD)
@pytest.mark.parametrize(
    ("renewed", "asked", "answered", "good"),
    [
        (False, 9.0, 10.0, True),
        (False, 9.0, 10.5, None),
        (False, 10.5, 11.5, None),
        (False, 11.0, 11.5, False),
        (False, 30.0, 31.0, False),
        (True, 19.0, 20.0, False),
        (True, 19.0, 20.5, None),
        (True, 20.5, 21.5, None),
        (True, 21.0, 21.5, True),
    ],
)
def test_a_sold_card_is_owed_what_the_moments_say(
    kind: Kind, renewed: bool, asked: float, answered: float, good: bool | None
) -> None:
    assert owed(kind, TOLD, renewed=renewed, asked=asked, answered=answered) is good


def test_before_anything_happens_old_codes_are_good_and_new_ones_are_not() -> None:
    assert owed(Kind.ZERO, {}, renewed=False, asked=1.0, answered=2.0) is True
    assert owed(Kind.ZERO, {}, renewed=True, asked=1.0, answered=2.0) is False


@given(st.booleans(), st.floats(0, 40), st.floats(0, 5))
def test_other_cards_are_always_good_and_unsold_ones_never(renewed: bool, asked: float, wait: float) -> None:
    assert owed(Kind.CONTROL, TOLD, renewed=renewed, asked=asked, answered=asked + wait) is True
    for kind in (Kind.UNSOLD, Kind.UNKNOWN):
        assert owed(kind, TOLD, renewed=renewed, asked=asked, answered=asked + wait) is False


@given(st.integers(100, 100_000))
def test_every_place_of_the_lot_is_of_one_kind(cards: int) -> None:
    split = plan(cards)
    places = positions(split)
    assert [place for kind in places.values() for place in kind] == list(range(cards))
    assert sum(len(places[kind]) for kind in SOLD) == split.sold
    assert len(places[Kind.UNSOLD]) == split.unsold


def answer(asked: float, *, good: bool, kind: Kind = Kind.ZERO, renewed: bool = False) -> Answer:
    return Answer(kind, renewed, asked, asked + 0.5, good, proper=True)


def test_the_first_refusal_is_that_of_a_card_which_the_freeze_is_over() -> None:
    answers = [
        answer(9.0, good=True),
        answer(10.1, good=False, kind=Kind.UNSOLD),
        answer(10.1, good=False, renewed=True),
        answer(10.2, good=True),
        answer(10.5, good=False),
        answer(11.5, good=False),
    ]
    assert first_refusal_seconds(answers, TOLD) == 1.0
    assert first_refusal_seconds(answers[:4], TOLD) is None
    assert first_refusal_seconds(answers, {}) is None


def test_percentiles_are_by_nearest_rank() -> None:
    waits = [number / 1000 for number in range(100, 0, -1)]
    assert percentile_ms(waits, 0.50) == 50.0
    assert percentile_ms(waits, 0.99) == 99.0
    assert percentile_ms(waits, 1.0) == 100.0
    assert percentile_ms([0.002], 0.99) == 2.0
    assert percentile_ms([], 0.5) is None


def test_a_moment_is_the_first_time_that_it_was_noted(tmp_path: Path) -> None:
    one, two = Moments(tmp_path / "moments"), Moments(tmp_path / "moments")
    assert one.read() == {}
    at = one.note(FREEZING)
    later = two.note(FROZEN)
    two.note(FREEZING)
    assert one.read() == {FREEZING: at, FROZEN: later}
    assert at <= later


def test_no_two_steps_have_one_name() -> None:
    names = [step.name for step in (*steps.STEPS, *story.ALL)]
    assert len(names) == len(set(names))


@contextmanager
def children(*arguments: list[str]) -> Iterator[list[subprocess.Popen[bytes]]]:
    started = [subprocess.Popen([*SLEEP, *given]) for given in arguments]
    try:
        # The kernel shows a command line a moment after the program was begun.
        deadline = time.monotonic() + 120
        while not all(Path(f"/proc/{child.pid}/cmdline").read_bytes() for child in started):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield started
    finally:
        for child in started:
            child.kill()
            child.wait()


def test_only_the_job_process_among_the_children_is_found() -> None:
    with children(["--only", "worker"], ["--only", "jobs", "--config"], ["jobs"]) as (_, jobs, _):
        assert job_processes(os.getpid()) == [jobs.pid]
    assert job_processes(os.getpid()) == []


def test_the_killer_kills_the_job_process_alone_once_the_re_issue_has_begun(tmp_path: Path) -> None:
    moments = Moments(tmp_path / "moments")
    with children(["--only", "worker"], ["--only", "jobs", "--config"]) as (worker, jobs):
        killer = Killer(os.getpid(), moments, life_seconds=0.1)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                jobs.wait(0.3)
            moments.note(REISSUING)
            assert jobs.wait(120) == -9
        finally:
            killer.end()
        assert killer.kills == [0]
        assert worker.poll() is None


def test_the_killer_goes_on_whatever_was_told_of_the_steps_before(tmp_path: Path) -> None:
    moments = Moments(tmp_path / "moments")
    with children(["--only", "jobs"], ["--only", "jobs"]) as (first, second):
        killer = Killer(os.getpid(), moments, life_seconds=0.1)
        try:
            killer.report(81_000, 81_105)
            moments.note(REISSUING)
            assert (first.wait(120), second.wait(120)) == (-9, -9)
            with children(["--only", "jobs"]) as (again,):
                done = 0
                while again.poll() is None:
                    done += 1
                    killer.report(done, 81_105)
                    time.sleep(0.01)
                assert again.returncode == -9
        finally:
            killer.end()
    assert killer.kills[:2] == [0, 0]
    assert 0 < killer.kills[2] <= done


def test_the_killer_stops_when_the_re_issue_is_done(tmp_path: Path) -> None:
    moments = Moments(tmp_path / "moments")
    with children(["--only", "jobs", "--config"]) as (jobs,):
        moments.note(REISSUING)
        moments.note(REISSUED)
        killer = Killer(os.getpid(), moments, life_seconds=0.1)
        with pytest.raises(subprocess.TimeoutExpired):
            jobs.wait(0.6)
        killer.end()
    assert killer.kills == []
