"""Hangs, restarts with back-off, SIGHUP, SIGUSR1, and what a service manager is told."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervised import Start, events, folder, has_logged, is_alive, is_ready, names, pids, start, until

__all__ = ["folder", "start"]


class Notified:
    """A service manager's end of the socket, read by a thread."""

    def __init__(self, path: Path) -> None:
        self.told: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
        self._thread.join()

    def _read(self) -> None:
        with self._socket:
            while said := self._socket.recv(4096):
                self.told.append(said.decode())

    def count(self, beginning: str) -> int:
        return sum(each.startswith(beginning) for each in self.told)


@pytest.fixture
def notified(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notified]:
    manager = Notified(folder / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(folder / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    yield manager
    manager.close()


def set_seconds(folder: Path, name: str, seconds: int) -> None:
    path = folder / "vault.toml"
    before = {"hang_seconds": "hang_seconds = 120", "drain_seconds": "drain_seconds = 0"}[name]
    assert path.read_text().count(before) == 1
    path.write_text(path.read_text().replace(before, f"{name} = {seconds}"))


def test_what_is_stopped_blocked_or_stuck_is_ended_and_started_again(folder: Path, start: Start) -> None:
    set_seconds(folder, "hang_seconds", 8)
    process = start()
    until(lambda: is_ready(folder))
    (stopped, blocked), (stuck,) = pids(folder, "worker"), pids(folder, "jobs")
    os.kill(stopped, signal.SIGSTOP)
    os.kill(blocked, signal.SIGUSR2)
    (folder / f"stuck-{stuck}").touch()
    until(lambda: len(pids(folder, "worker")) == 4 and len(pids(folder, "jobs")) == 2)
    assert not any(is_alive(pid) for pid in (stopped, blocked, stuck))
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    problems = {each["pid"]: str(each["problem"]) for each in said if each["event"] == "process_hung"}
    assert problems.keys() == {stopped, blocked, stuck}
    assert "silent for" in problems[stopped]
    assert problems[stuck] == "its writer has not answered"
    ends = {each["pid"]: each for each in said if each["event"] == "process_ended"}
    assert {pid: end["status"] for pid, end in ends.items()} == {
        stopped: -signal.SIGKILL,
        blocked: -signal.SIGABRT,
        stuck: -signal.SIGABRT,
    }
    # The stack shows where it hung: in the handler that sleeps.
    assert "child.py" in str(ends[blocked]["stack"])


def test_a_supervisor_that_was_itself_stopped_blames_nobody(folder: Path, start: Start) -> None:
    set_seconds(folder, "hang_seconds", 6)
    process = start()
    until(lambda: is_ready(folder))
    everybody = [process.pid, *pids(folder, "worker"), *pids(folder, "jobs")]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(7)
    for pid in everybody:  # the supervisor first: it finds every child silent for 7 s
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert not names(said, "process_hung") + names(said, "process_ended")


def test_what_crashes_again_and_again_is_started_with_growing_waits_and_says_where(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    (folder / "crashing").touch()
    os.kill(min(pids(folder, "worker")), signal.SIGKILL)
    until(lambda: len(pids(folder, "crashed")) >= 2)
    (folder / "crashing").unlink()
    until(lambda: len(pids(folder, "worker")) == 3)
    process.send_signal(signal.SIGTERM)
    ends = [each for each in events(folder, process) if each["event"] == "process_ended"]
    assert process.returncode == 0
    assert [end["restart_in_seconds"] for end in ends[:3]] == [0.4, 0.8, 1.6]
    assert "Fatal Python error" in str(ends[1]["stack"])


def test_a_child_that_turns_hopeless_later_is_tried_again_while_the_others_serve(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    (folder / "hopeless").touch()
    os.kill(min(pids(folder, "jobs")), signal.SIGKILL)
    until(lambda: has_logged(folder, "process_cannot_start"))
    assert process.poll() is None
    (folder / "hopeless").unlink()
    until(lambda: len(pids(folder, "jobs")) == 2)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    problems = [each["problem"] for each in said if each["event"] == "process_cannot_start"]
    assert set(problems) == {"the root key is missing"}


def test_a_rolling_restart_replaces_one_after_the_other_by_one_that_serves_already(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    before = pids(folder, "worker") | pids(folder, "jobs")
    process.send_signal(signal.SIGUSR1)
    until(lambda: pids(folder, "stopped") == before)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    assert names(said, "process_started")[3:] == ["worker-1 (next)", "worker-2 (next)", "jobs (next)"]
    assert not names(said, "process_ended")
    assert [each["event"] for each in said if "rolling" in str(each["event"])] == [
        "rolling_restart_begun",
        "rolling_restart_done",
    ]
    assert len(pids(folder, "worker")) == 4


def test_a_rolling_restart_ends_at_the_first_that_does_not_come_up(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    workers, jobs = pids(folder, "worker"), pids(folder, "jobs")
    (folder / "crashing").touch()
    process.send_signal(signal.SIGUSR1)
    until(lambda: has_logged(folder, "rolling_restart_failed"))
    assert not pids(folder, "stopped")
    assert all(is_alive(pid) for pid in workers | jobs)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    assert names(said, "rolling_restart_failed") == ["worker-1"]


def test_a_stop_in_the_middle_of_a_rolling_restart_ends_everybody(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    (folder / "unready").touch()  # the first successor never serves
    process.send_signal(signal.SIGUSR1)
    until(lambda: len(pids(folder, "worker")) > 2)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    assert "rolling_restart_done" not in [each["event"] for each in said]
    assert not any(is_alive(pid) for pid in pids(folder, "worker") | pids(folder, "jobs"))


def test_the_log_says_what_was_read_again_and_what_needs_a_restart(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    set_seconds(folder, "drain_seconds", 1)
    path = folder / "vault.toml"
    path.write_text(path.read_text().replace('level = "info"', 'level = "debug"'))
    process.send_signal(signal.SIGHUP)
    until(lambda: len(pids(folder, "hup")) == 2)
    until(lambda: has_logged(folder, "files_read_again") == 2)
    until(lambda: has_logged(folder, "configuration_changed") == 2)
    path.write_text("[nothing]")
    process.send_signal(signal.SIGHUP)
    until(lambda: has_logged(folder, "configuration_refused"))
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    read = [each for each in said if each["event"] == "files_read_again"]
    assert {str(each["process"]) for each in read} == {"worker-1", "worker-2"}
    assert all(each["files"] == {"access_file": "new"} for each in read)
    changed = [each for each in said if each["event"] == "configuration_changed"]
    assert {str(each["settings"]): str(each["in_force"]) for each in changed} == {
        "['server.drain_seconds']": "the one before, until the vault is restarted",
        "['log.level']": "the one before, until a rolling restart (SIGUSR1)",
    }
    refused = [str(each["problem"]) for each in said if each["event"] == "configuration_refused"]
    assert len(refused) == 1
    assert "nothing is not a section" in refused[0]


def test_a_service_manager_is_told_everything(folder: Path, start: Start, notified: Notified) -> None:
    (folder / "deaf").touch()
    process = start()
    until(lambda: notified.count("READY=1") == 1)
    assert is_ready(folder)
    until(lambda: "STATUS=jobs ready, worker-1 ready, worker-2 ready" in notified.told)
    until(lambda: notified.count("WATCHDOG=1") > 3)
    process.send_signal(signal.SIGHUP)
    until(lambda: notified.count("READY=1") == 2)
    # It is ready again when the workers' time to answer is over, not before.
    assert has_logged(folder, "files_not_read_again") == 2
    told = [said for said in notified.told if said.startswith(("READY=1", "RELOADING=1\nMONOTONIC_USEC="))]
    assert [said.partition("=")[0] for said in told] == ["READY", "RELOADING", "READY"]
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert names(said, "files_not_read_again") == ["worker-1", "worker-2"]
    until(lambda: notified.count("STOPPING=1\nEXTEND_TIMEOUT_USEC=240000000") == 1)


def test_a_service_manager_is_not_told_of_readiness_before_all_serve(
    folder: Path, start: Start, notified: Notified
) -> None:
    (folder / "unready").touch()
    process = start()
    until(lambda: len(pids(folder, "jobs")) == 1)
    until(lambda: "STATUS=jobs ready, worker-1 starting, worker-2 starting" in notified.told)
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=180)
    assert notified.count("READY=1") == 0
