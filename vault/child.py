"""A process under the supervisor, seen from inside.

1. It says once, over a pipe of its own, that it is ready, or that it can never start and why.
2. It stops when its supervisor is gone, however that died: its standard input is a pipe whose other end only
   the supervisor holds, and the end of that is noticed by a thread, whatever the event loop is doing.

A process that was started by hand has neither pipe, and these functions do nothing.
"""

import json
import os
import signal
import threading
import time

READY_FD = "CARDVAULT_READY_FD"
EXIT_CONFIGURATION = 78  # EX_CONFIG of sysexits(3)


def report_ready() -> None:
    """Tell the supervisor that this process serves."""
    _report({"ready": True})


def report_hopeless(message: str) -> int:
    """Tell the supervisor that starting this process again won't help, and return the status to exit with.

    Args:
        message: Why, in words for whoever runs the vault, without secrets.
    """
    _report({"ready": False, "message": message})
    return EXIT_CONFIGURATION


def watch_supervisor(grace_seconds: float) -> None:
    """Have this process get SIGTERM when the supervisor is gone, and end some time later at the latest.

    SIGHUP, which the supervisor passes on, is ignored from here on unless the process handles it. To be called
    from the main thread.

    Args:
        grace_seconds: Seconds that it gets to drain.
    """
    if READY_FD in os.environ:
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
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
    try:
        os.write(int(number), json.dumps(line).encode() + b"\n")
    except BrokenPipeError:
        return  # the supervisor is gone; watch_supervisor deals with that
