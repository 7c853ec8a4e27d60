"""Starting, restarting, draining."""

import os
import signal
import socket
from pathlib import Path

from tests.supervised import Start, events, folder, is_alive, is_ready, pids, start, until

__all__ = ["folder", "start"]


def test_workers_and_jobs_are_started_and_drained(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    host, _, port = (folder / "ready").read_text().strip().rpartition(":")
    socket.create_connection((host, int(port))).close()
    assert (len(pids(folder, "worker")), len(pids(folder, "jobs"))) == (2, 1)
    process.send_signal(signal.SIGTERM)
    said = events(folder, process)
    assert process.returncode == 0
    assert pids(folder, "stopped") == pids(folder, "worker") | pids(folder, "jobs")
    assert not is_ready(folder)
    assert {"ready", "stopped"} <= {event["event"] for event in said}
    assert [event["address"] for event in said if event["event"] == "ready"] == [f"{host}:{port}"]


def test_the_job_process_waits_for_a_worker_that_serves_but_not_for_ever(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGTERM)
    begun = [str(event["process"]) for event in events(folder, process) if event["event"] == "process_started"]
    assert (sorted(begun[:2]), begun[2]) == (["worker-1", "worker-2"], "jobs")
    (folder / "unready").touch()
    before = pids(folder, "jobs")
    start()
    until(lambda: pids(folder, "jobs") > before)


def test_a_killed_child_is_started_again_on_the_same_port(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    killed = min(pids(folder, "worker"))
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(pids(folder, "worker")) == 3)
    process.send_signal(signal.SIGINT)
    ended = [event for event in events(folder, process) if event["event"] == "process_ended"]
    assert [event["status"] for event in ended] == [-signal.SIGKILL]
    assert process.returncode == 0


def test_a_hopeless_child_stops_everything_and_its_message_is_kept(folder: Path, start: Start) -> None:
    (folder / "hopeless").touch()
    process = start()
    said = events(folder, process)
    assert process.returncode == 78
    assert said[-1]["event"] == "cannot_start"
    assert said[-1]["problem"] == "the root key is missing"
    assert not any(is_alive(pid) for pid in pids(folder, "worker"))


def test_children_do_not_outlive_a_killed_supervisor(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    children = pids(folder, "worker") | pids(folder, "jobs")
    process.kill()
    until(lambda: not any(is_alive(pid) for pid in children))
    assert pids(folder, "stopped") == children


def test_a_child_that_does_not_stop_is_killed(folder: Path, start: Start) -> None:
    (folder / "stubborn").touch()
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=180)
    assert process.returncode == 0
    assert not any(is_alive(pid) for pid in pids(folder, "worker") | pids(folder, "jobs"))


def test_a_hangup_is_passed_on_to_the_workers(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGHUP)
    until(lambda: pids(folder, "hup") == pids(folder, "worker"))
    assert process.poll() is None


def test_a_wrong_configuration_is_told(folder: Path, start: Start) -> None:
    (folder / "vault.toml").write_text("[nothing]")
    process = start()
    said = events(folder, process)
    assert process.returncode == 78
    assert "nothing is not a section" in str(said[-1]["problem"])


def test_an_address_of_another_listener_is_refused_even_if_it_shares_its_port(folder: Path, start: Start) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        path = folder / "vault.toml"
        path.write_text(path.read_text().replace("127.0.0.1:0", f"127.0.0.1:{other.getsockname()[1]}"))
        process = start()
        said = events(folder, process)
    assert process.returncode == 78
    assert "cannot be listened on" in str(said[-1]["problem"])
    assert not pids(folder, "worker")
