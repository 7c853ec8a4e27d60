"""Whose turn it is, as the kernel shows it."""

import errno
import fcntl
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from vault.stores.sqlite.turn import Turn, is_held_by_another

HOLDER = """
import pathlib, sys
from vault.stores.sqlite.turn import Turn
with Turn(pathlib.Path(sys.argv[1])):
    print("mine", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_holds(database: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLDER, str(database)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        yield


def test_a_turn_is_anothers_only_while_another_process_has_it(tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    assert not is_held_by_another(database)
    turn = Turn(database)
    with turn:
        assert not is_held_by_another(database)
    with another_holds(database):
        assert is_held_by_another(database)
        assert not is_held_by_another(tmp_path / "other.db")
    assert not is_held_by_another(database)
    turn.close()


def test_who_lets_go_learns_whether_somebody_stands_behind(tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    turn, other = Turn(database), Turn(database)

    def wait() -> None:
        with other:
            pass

    with turn:
        pass
    assert turn.followed_at == -math.inf
    before = time.monotonic()
    with turn:
        behind = Thread(target=wait)
        behind.start()
        next_lock = os.open(f"{database}.next", os.O_RDWR)
        while not _is_taken(next_lock):
            time.sleep(0.001)
        os.close(next_lock)
    behind.join()
    assert before < turn.followed_at < time.monotonic()
    assert other.followed_at == -math.inf
    turn.close()
    other.close()


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def test_a_turn_is_let_go_of_where_the_system_cannot_tell_who_stands_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "vault.db"
    turn, other = Turn(database), Turn(database)
    lock = fcntl.flock

    def without_locks(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_NB:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        lock(descriptor, operation)

    monkeypatch.setattr("vault.stores.sqlite.turn.fcntl.flock", without_locks)
    with turn:
        pass
    assert turn.followed_at > -math.inf
    monkeypatch.undo()
    fcntl.flock(other._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
