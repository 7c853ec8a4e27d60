"""Real supervisors over small real children, which do what files in their folder tell them."""

import json
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
    def hang_up(*_):
        (folder / f"hup-{os.getpid()}").touch()
        if not (folder / "deaf").exists():
            child.report_reread({"access_file": "new"})
    signal.signal(signal.SIGHUP, hang_up)
    signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
    child.watch_supervisor(120)
    def stop(*_):
        (folder / f"stopped-{os.getpid()}").touch()
        sys.exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if (folder / "stubborn").exists() else stop)
    if (folder / "crashing").exists() and kind == "worker":
        (folder / f"crashed-{os.getpid()}").touch()
        os.abort()
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
        child.report_alive("its writer has not answered" if (folder / f"stuck-{os.getpid()}").exists() else "")
        if (folder / f"grown-{os.getpid()}").exists():
            child.report_grown(170)
            (folder / f"told-{os.getpid()}").touch()
        time.sleep(0.05)
"""
PARENT = """
    import os, pathlib, sys
    from vault import port, process, reread, supervisor, watcher
    folder = pathlib.Path(sys.argv[1])
    # Nobody runs out of time, except what is to, which takes 1 s instead of 5.
    port.ADDRESS_SECONDS = 1.0
    supervisor.KILL_SECONDS = 1.0 if (folder / "stubborn").exists() else 120.0
    reread.ANSWER_SECONDS = 1.0 if (folder / "deaf").exists() else 120.0
    process._ABORT_SECONDS, process._KILL_SECONDS, process._LAST_WORDS_SECONDS = 8.0, 60.0, 20.0
    # However long a process lives, it counts as one that crashed at once.
    watcher.HEALTHY_SECONDS = 3600.0
    # A service manager's socket takes only a few messages that nobody has read, so it is told as often as always.
    if "NOTIFY_SOCKET" not in os.environ:
        supervisor._STATUS_SECONDS = 0.02
    def command(kind, port):
        return [sys.executable, str(folder / "child.py"), kind, str(port), str(folder)]
    status = supervisor.run(folder / "vault.toml", ready_file=folder / "ready", command=command)
    assert "grpc" not in sys.modules
    sys.exit(status)
"""

__all__ = ["events", "folder", "has_logged", "is_alive", "is_ready", "names", "pids", "start", "until"]

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "child.py").write_text(textwrap.dedent(CHILD))
    (tmp_path / "parent.py").write_text(textwrap.dedent(PARENT))
    for name in ("server.crt", "server.key", "client-ca.crt", "access.toml", "root.key"):
        (tmp_path / name).touch()
    settings = (
        config.EXAMPLE.replace('"127.0.0.1:7443"\n', '"127.0.0.1:0"\n')
        .replace("drain_seconds = 20", "drain_seconds = 0")
        .replace("hang_seconds = 15", "hang_seconds = 120")
    )
    (tmp_path / "vault.toml").write_text(settings)
    return tmp_path


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    started = []

    def starting() -> "subprocess.Popen[bytes]":
        command = [sys.executable, str(folder / "parent.py"), str(folder)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        started.append(process)
        return process

    yield starting
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=180)


def until(true: Callable[[], object], seconds: float = 120) -> None:
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


def events(folder: Path, process: "subprocess.Popen[bytes]") -> list[dict[str, object]]:
    """Return what was logged, when the process has ended."""
    process.wait(timeout=180)
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def has_logged(folder: Path, event: str) -> int:
    """Return how many times an event was logged so far."""
    return (folder / "log").read_text().count(f'"event": "{event}"')


def is_ready(folder: Path) -> bool:
    return (folder / "ready").exists()


def names(said: list[dict[str, object]], event: str) -> list[object]:
    """Return the processes of which an event tells."""
    return [each["process"] for each in said if each["event"] == event]
