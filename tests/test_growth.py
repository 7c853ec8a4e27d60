"""Workers that keep more memory than they need."""

import signal
from pathlib import Path

from tests.supervised import Start, events, folder, has_logged, is_ready, names, pids, start, until
from vault.wiring.growth import FEW_FILES, LOOKS, Growth

__all__ = ["folder", "start"]


def test_one_that_stays_large_is_told() -> None:
    growth = Growth(112)
    assert [growth.look(170, 40) for _ in range(LOOKS + 1)] == [0] * (LOOKS - 1) + [170, 170]
    assert growth.look(112, 40) == 0


def test_one_that_shrinks_meanwhile_begins_anew() -> None:
    growth = Growth(112)
    seen = [growth.look(mib, 40) for mib in [170] * (LOOKS - 1) + [80] + [170] * (LOOKS - 1)]
    assert set(seen) == {0}


def test_one_that_many_are_connected_to_is_left_alone() -> None:
    growth = Growth(112)
    assert {growth.look(170, FEW_FILES) for _ in range(2 * LOOKS)} == {0}


def test_without_a_bound_nobody_is_told() -> None:
    growth = Growth(0)
    assert {growth.look(170, 40) for _ in range(2 * LOOKS)} == {0}


def test_a_worker_that_has_grown_is_replaced_by_one_that_serves_already(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    before = pids(folder, "worker")
    grown, other = sorted(before)
    (folder / f"grown-{grown}").touch()
    until(lambda: grown in pids(folder, "stopped"))
    assert has_logged(folder, "process_started") == 4
    (folder / f"grown-{other}").touch()
    until((folder / f"told-{other}").exists)
    process.send_signal(signal.SIGHUP)  # what is heard of next was said after that
    until(lambda: has_logged(folder, "files_read_again") == 2)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    assert [(each["pid"], each["mib"]) for each in said if each["event"] == "process_grown"] == [(grown, 170)]
    assert not names(said, "process_ended")
    assert len(pids(folder, "worker") - before) == 1
