"""How long a process has been silent, and when that means that it hangs.

1. A process that has not come up within ``start_seconds``, or is not heard from for ``hang_seconds`` once it
   serves, or says of itself that it is stuck, hangs.
2. Nobody is blamed for time in which the supervisor itself did not run: whoever looks more than 1.5 s after the
   look before takes that time off every silence.

Time is CLOCK_MONOTONIC, which stands still while the machine is suspended. It is pure; the caller tells the time.
"""

LATE_SECONDS = 1.5


class Pulse:
    """What was heard from one process. Times are seconds of one monotonic clock."""

    def __init__(self, now: float, *, start_seconds: float, hang_seconds: float) -> None:
        """Begin to listen, as the process starts."""
        self._start_seconds = start_seconds
        self._hang_seconds = hang_seconds
        self._heard = self._looked = now
        self._serves = False
        self._stuck = ""

    def serves(self, now: float) -> None:
        """Take down that the process has come up."""
        self._serves = True
        self._heard = now

    def beat(self, now: float, stuck: str = "") -> None:
        """Take down a sign of life; ``stuck`` is what keeps the process from working, empty if nothing does."""
        self._heard = now
        self._stuck = stuck

    def problem(self, now: float) -> str:
        """Return why the process is taken to hang, in words for the log; empty if it is not.

        To be asked at least once a second.
        """
        late = now - self._looked
        self._looked = now
        if late > LATE_SECONDS:
            self._heard = min(now, self._heard + late)
        silent = now - self._heard
        if self._stuck:
            return self._stuck
        if not self._serves:
            late_start = f"it has not come up within {self._start_seconds:g} s"
            return late_start if silent > self._start_seconds else ""
        return f"it has been silent for {silent:.1f} s" if silent > self._hang_seconds else ""
