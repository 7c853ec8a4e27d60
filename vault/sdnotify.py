"""What a service manager is told (sd_notify(3) of systemd): a datagram of lines to the socket in NOTIFY_SOCKET.

1. Without NOTIFY_SOCKET nothing is told, and nothing is an error.
2. Telling takes at most a second, and a service manager that does not listen changes nothing for the vault; the
   log says so once.
3. Only the process that was started is heard: its children do not inherit the variables (see ``process``).
"""

import os
import socket
import time
from collections.abc import Mapping

from vault import log

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
_SEND_SECONDS = 1.0
_log = log.get(__name__)


class Notifier:
    """Tells the service manager, if there is one."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Look for it in the environment.

        Its socket is a path, or an abstract name that begins with ``@``. The watchdog counts only if WATCHDOG_PID,
        where it is set, is this process (sd_watchdog_enabled(3)).
        """
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._complained = False
        microseconds = environ.get("WATCHDOG_USEC", "")
        ours = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        counts = ours and self._address and microseconds.isascii() and microseconds.isdigit()
        self.watchdog_seconds = int(microseconds) / 1e6 if counts else 0.0
        """Within how many seconds ``alive`` must be told again and again; 0 where nobody asks for it."""

    def ready(self) -> None:
        """Tell that the vault serves, or that it has read its files again."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Tell that files are read again; ``ready`` ends that."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, within_seconds: float) -> None:
        """Tell that the vault drains, and ask for the time that this may take."""
        self._tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(within_seconds * 1e6)}")

    def status(self, text: str) -> None:
        """Tell people what the vault is doing, in one line."""
        self._tell(f"STATUS={text}")

    def alive(self) -> None:
        """Tell the watchdog that the vault lives."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # An abstract name begins with NUL (unix(7)), which no environment variable can hold.
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
                sending.settimeout(_SEND_SECONDS)
                sending.sendto("\n".join(lines).encode(), address)
            self._complained = False
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning("service_manager_unreachable", problem=error.strerror or "it does not listen")
