"""A checkpointer ends whenever it is told to, be it between its pause and what follows."""

import threading
from pathlib import Path

from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.sqlite import migrate
from vault.stores.sqlite.checkpoint import Checkpointer
from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.turn import Turn


class _ToldAfterThePause(threading.Event):
    """Is set just after a wait for it has ended in vain, as by a thread that closes then."""

    def __init__(self, checkpointer: Checkpointer) -> None:
        super().__init__()
        self._checkpointer = checkpointer

    def wait(self, timeout: float | None = None) -> bool:
        told = super().wait(timeout)
        self.set()
        self._checkpointer._written.set()
        return told


def test_a_checkpointer_that_is_closed_just_after_its_pause_ends(tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    migrate(database)
    checkpointer = Checkpointer(connect(database, cache_mib=1), Turn(database))
    checkpointer._closing = _ToldAfterThePause(checkpointer)
    checkpointer.wake()
    checkpointer._thread.join(PATIENCE_SECONDS)
    assert not checkpointer._thread.is_alive()
