"""Whose turn it is, as the kernel shows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
