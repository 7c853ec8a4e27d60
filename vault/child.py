"""A process under the supervisor, seen from inside.

1. It says over a pipe of its own that it is ready, or that it can never start and why; later that it lives,
   what it has read again, and that it had better be replaced.
2. Saying so never waits: what the pipe has no room for, since the supervisor does not read, is not said.
3. It stops when its supervisor is gone, however that died: its standard input is a pipe whose other end only
   the supervisor holds, and the end of that is noticed by a thread, whatever the event loop is doing.
4. When it crashes or is aborted (SIGSEGV, SIGABRT and the like), the stacks of its threads go into the same pipe:
   files, lines and functions, no values.

A process that was started by hand has neither pipe, and these functions do nothing.
"""

import contextlib
import faulthandler
import json
import os
import signal
import threading
import time
from collections.abc import Mapping

READY_FD = "CARDVAULT_READY_FD"
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits(3)


def report_ready() -> None:
    """Tell the supervisor that this process serves. From now on it must hear ``report_alive`` again and again."""
    _report({"ready": True})


def report_alive(stuck: str = "") -> None:
    """Tell the supervisor that this process lives.

    Args:
        stuck: What keeps it from working, in words for the log; empty if nothing does.
    """
    _report({"alive": True, "stuck": stuck})


def report_grown(mib: int) -> None:
    """Tell the supervisor how much memory this process keeps in vain, in MiB: above 0 it had better be replaced."""
    _report({"grown": mib})


def report_reread(files: Mapping[str, str]) -> None:
    """Tell the supervisor which files were read again, and what came of it, by setting."""
    _report({"reread": dict(files)})


def report_hopeless(message: str) -> int:
    """Tell the supervisor that starting this process again won't help, and return the status to exit with.

    Args:
        message: Why, in words for whoever runs the vault, without secrets.
    """
    _report({"ready": False, "message": message})
    return EXIT_CONFIGURATION


def watch_supervisor(grace_seconds: float) -> None:
    """Have this process get SIGTERM when the supervisor is gone, and end some time later at the latest.

    SIGHUP, which the supervisor passes on, and SIGUSR1, which is meant for it, are ignored from here on unless the
    process handles them. To be called from the main thread.

    Args:
        grace_seconds: Seconds that it gets to drain.
    """
    if READY_FD not in os.environ:
        return
    os.set_blocking(int(os.environ[READY_FD]), False)
    faulthandler.enable(int(os.environ[READY_FD]))
    for number in (signal.SIGHUP, signal.SIGUSR1):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(grace_seconds,), name="supervisor-watch", daemon=True).start()


def _watch(grace_seconds: float) -> None:
    while os.read(0, 1024):
        pass  # the supervisor writes nothing; only the end matters
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(1)


def _report(line: dict[str, object]) -> None:
    number = os.environ.get(READY_FD)
    if number is None:
        return
    # A broken pipe: the supervisor is gone, and watch_supervisor deals with that. A full one: it does not read.
    with contextlib.suppress(BrokenPipeError, BlockingIOError):
        os.write(int(number), json.dumps(line).encode() + b"\n")
