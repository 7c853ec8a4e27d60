"""Real supervisors over small real children."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vault import config

CHILD = """
    import os, pathlib, signal, socket, sys, time
    from vault import child
    kind, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    hups = []
    signal.signal(signal.SIGHUP, lambda *_: (folder / f"hup-{os.getpid()}").touch())
    child.watch_supervisor(5)
    def stop(*_):
        (folder / f"stopped-{os.getpid()}").touch()
        sys.exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if (folder / "stubborn").exists() else stop)
    if (folder / "hopeless").exists() and kind == "jobs":
        sys.exit(child.report_hopeless("the root key is missing"))
    if kind == "worker":
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen()
    (folder / f"{kind}-{os.getpid()}").touch()
    if kind != "worker" or not (folder / "unready").exists():
        child.report_ready()
    while True:
        time.sleep(0.05)
"""
PARENT = """
    import pathlib, sys
    from vault import supervisor
    folder = pathlib.Path(sys.argv[1])
    def command(kind, port):
        return [sys.executable, str(folder / "child.py"), kind, str(port), str(folder)]
    status = supervisor.run(folder / "vault.toml", ready_file=folder / "ready", command=command)
    assert "grpc" not in sys.modules
    sys.exit(status)
"""

Start = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "child.py").write_text(textwrap.dedent(CHILD))
    (tmp_path / "parent.py").write_text(textwrap.dedent(PARENT))
    for name in ("server.crt", "server.key", "client-ca.crt", "access.toml", "root.key"):
        (tmp_path / name).touch()
    settings = config.EXAMPLE.replace('"127.0.0.1:7443"\n', '"127.0.0.1:0"\n').replace(
        "drain_seconds = 20", "drain_seconds = 0"
    )
    (tmp_path / "vault.toml").write_text(settings)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    started = []

    def starting() -> "subprocess.Popen[str]":
        command = [sys.executable, str(folder / "parent.py"), str(folder)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield starting
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


def until(true: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def pids(folder: Path, kind: str) -> set[int]:
    return {int(path.name.rpartition("-")[2]) for path in folder.glob(f"{kind}-*")}


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def events(process: "subprocess.Popen[str]") -> list[dict[str, object]]:
    _, log = process.communicate(timeout=30)
    return [json.loads(line) for line in log.splitlines()]


def is_ready(folder: Path) -> bool:
    return (folder / "ready").exists()


def test_workers_and_jobs_are_started_and_drained(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    host, _, port = (folder / "ready").read_text().strip().rpartition(":")
    socket.create_connection((host, int(port))).close()
    assert (len(pids(folder, "worker")), len(pids(folder, "jobs"))) == (2, 1)
    process.send_signal(signal.SIGTERM)
    said = events(process)
    assert process.returncode == 0
    assert pids(folder, "stopped") == pids(folder, "worker") | pids(folder, "jobs")
    assert not is_ready(folder)
    assert {"ready", "stopped"} <= {event["event"] for event in said}
    assert [event["address"] for event in said if event["event"] == "ready"] == [f"{host}:{port}"]


def test_the_job_process_waits_for_a_worker_that_serves_but_not_for_ever(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGTERM)
    begun = [str(event["process"]) for event in events(process) if event["event"] == "process_started"]
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
    ended = [event for event in events(process) if event["event"] == "process_ended"]
    assert [event["status"] for event in ended] == [-signal.SIGKILL]
    assert process.returncode == 0


def test_a_hopeless_child_stops_everything_and_its_message_is_kept(folder: Path, start: Start) -> None:
    (folder / "hopeless").touch()
    process = start()
    said = events(process)
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


def test_a_child_that_does_not_stop_is_killed(folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "stubborn").touch()
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
    assert not any(is_alive(pid) for pid in pids(folder, "worker") | pids(folder, "jobs"))


def test_a_hangup_is_passed_on(folder: Path, start: Start) -> None:
    process = start()
    until(lambda: is_ready(folder))
    process.send_signal(signal.SIGHUP)
    until(lambda: pids(folder, "hup") == pids(folder, "worker") | pids(folder, "jobs"))
    assert process.poll() is None


def test_a_wrong_configuration_is_told(folder: Path, start: Start) -> None:
    (folder / "vault.toml").write_text("[nothing]")
    process = start()
    said = events(process)
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
        said = events(process)
    assert process.returncode == 78
    assert "cannot be listened on" in str(said[-1]["problem"])
    assert not pids(folder, "worker")
