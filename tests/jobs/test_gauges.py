"""How a vault stands, as its job process tells it to metrics."""

import asyncio

import pytest

from tests.contracts.samples import job
from tests.workshop import Workshop
from vault.errors import IntegrityFailure, Unavailable
from vault.jobs import gauges
from vault.jobs.gauges import Gauges, Progress, Rates
from vault.model.rows import JobRow
from vault.model.states import JobKind, JobState

NOTHING = Progress()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], float]:
    """The last value of each gauge, by its name and kind."""
    values: dict[tuple[str, str], float] = {}

    def put(name: str, value: float, kind: str = "") -> None:
        values[name, kind] = value

    monkeypatch.setattr("vault.jobs.gauges.metrics.put", put)
    return values


def running(done: int, total: int = 1000, kind: JobKind = JobKind.REISSUE, job_id: bytes = b"j" * 16) -> JobRow:
    return job(job_id, job_id)._replace(
        kind=kind, done_count=done, total_count=total, state=JobState.RUNNING, finished_ms=None, program="netcash"
    )


def test_a_rate_is_over_the_last_half_minute() -> None:
    rates = Rates()
    assert rates.look([running(0)], 100.0)[JobKind.REISSUE] == Progress(1, 0.0, 0.0)
    assert rates.look([running(100)], 110.0)[JobKind.REISSUE] == Progress(1, 10.0, 90.0)
    assert rates.look([running(100)], 120.0)[JobKind.REISSUE] == Progress(1, 5.0, 180.0)
    assert rates.look([running(100)], 130.0)[JobKind.REISSUE].rate == pytest.approx(100 / 30)
    assert rates.look([running(100)], 140.0)[JobKind.REISSUE] == Progress(1, 0.0, 0.0)


def test_jobs_of_a_kind_are_told_together_and_the_slowest_says_how_long() -> None:
    rates = Rates()
    for now, done in ((0.0, 0), (10.0, 100)):
        found = rates.look([running(done), running(done // 2, job_id=b"k" * 16), running(0, kind=JobKind.REKEY)], now)
    assert found[JobKind.REISSUE] == Progress(2, 15.0, 190.0)
    assert found[JobKind.REKEY] == Progress(1, 0.0, 0.0)
    assert found[JobKind.RETAG] == NOTHING
    assert set(rates.look([], 20.0).values()) == {NOTHING}


def test_a_job_that_is_paused_or_has_no_total_takes_no_known_time() -> None:
    rates = Rates()
    paused = running(100)._replace(state=JobState.PAUSED)
    rates.look([running(0)], 0.0)
    assert rates.look([paused], 10.0)[JobKind.REISSUE] == Progress(1, 0.0, 0.0)
    assert Rates().look([running(5, total=0)], 0.0)[JobKind.REISSUE].seconds_left == 0.0


async def test_room_under_the_bounds_and_what_is_in_force_is_told(
    shop: Workshop, told: dict[tuple[str, str], float]
) -> None:
    await shop.program()
    await shop.program("small", max_guess_odds=4e-15)
    await shop.issue(3, program="small")
    await shop.batch(40)
    found = await Gauges(shop.recorder, shop.parts.custody, shop.parts.budget.bound).look()
    assert found.odds["small"].allowed == 4
    assert told["guess_odds_used_ratio", ""] == 0.75
    assert 0 < told["gcm_budget_used_ratio", ""] < 0.01
    assert told["gcm_budget_used_ratio", ""] == max(found.wraps.values()) / shop.parts.budget.bound
    assert [told[name, ""] for name in ("holds", "incidents_open", "principals_blocked")] == [0, 0, 0]
    assert told["root_copies_missing", ""] == 1
    assert told["jobs_unfinished", "ISSUE_BATCH"] == 1
    assert {kind for name, kind in told if name == "job_rate"} == {kind.name for kind in JobKind}


async def test_a_row_that_was_changed_is_not_counted_but_refused(shop: Workshop) -> None:
    await shop.program()
    await shop.batch(40)
    (row,) = shop.database.rows("job")
    shop.database.put("job", row["rowid"], total_count=7)
    with pytest.raises(IntegrityFailure):
        await Gauges(shop.recorder, shop.parts.custody, 2**32).look()


async def test_whatever_goes_wrong_is_tried_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauges, "PAUSE_SECONDS", 0.01)
    made = Gauges(shop.recorder, shop.parts.custody, 2**32)
    looks = 0
    stop = asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            stop.set()
            raise RuntimeError
        message = "the database cannot be reached"
        raise Unavailable(message)

    monkeypatch.setattr(made, "look", look)
    await asyncio.wait_for(made.run(stop), 60)
    assert looks == 3
