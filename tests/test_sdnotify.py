"""What reaches a real datagram socket."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.sdnotify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@cardvault-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name.replace("@", "\0", 1))
        listening.settimeout(60)
        yield listening, name


def test_each_message_is_one_datagram_of_lines(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    told = Notifier({"NOTIFY_SOCKET": name})
    told.ready()
    told.stopping(25.0)
    told.status("worker-1 ready")
    told.alive()
    assert [listening.recv(4096).decode() for _ in range(4)] == [
        "READY=1",
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000",
        "STATUS=worker-1 ready",
        "WATCHDOG=1",
    ]


def test_a_reload_carries_the_monotonic_time_that_systemd_compares(manager: tuple[socket.socket, str]) -> None:
    listening, name = manager
    before = time.monotonic_ns() // 1000
    Notifier({"NOTIFY_SOCKET": name}).reloading()
    first, second = listening.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000"}, 3.0),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 3.0),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "soon"}, 0.0),
        ({"NOTIFY_SOCKET": "@x"}, 0.0),
        ({"WATCHDOG_USEC": "3000000"}, 0.0),
    ],
)
def test_the_watchdog_counts_where_it_was_meant_for_this_process(environ: dict[str, str], seconds: float) -> None:
    assert Notifier(environ).watchdog_seconds == seconds


def test_without_a_service_manager_nothing_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    told = Notifier({})
    told.ready()
    told.alive()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["/nowhere/notify", "@nobody-listens", "vsock:2:1234", "/" + "x" * 200])
def test_a_service_manager_that_cannot_be_reached_is_told_of_once(name: str, caplog: pytest.LogCaptureFixture) -> None:
    told = Notifier({"NOTIFY_SOCKET": name})
    told.ready()
    told.alive()
    assert [record.message for record in caplog.records] == ["service_manager_unreachable"]


def test_a_service_manager_that_does_not_read_holds_nobody_up_for_long(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filling:
            filling.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while filling.sendto(b"x", str(tmp_path / "notify")):
                    continue
        began = time.monotonic()
        Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}).ready()
        assert time.monotonic() - began < 60
