"""What the supervisor knows of its processes: whether the vault lives, and whether calls may be sent to it.

1. ``live`` and ``ready`` are told apart: a vault that drains, or whose workers all start again, is not ready and
   lives; restarting it would only make things worse.
2. Every answer is what the supervisor last saw, at most a tick (1 s) ago. Nothing is asked of any process.

It is pure: the supervisor writes it, the listener for health and metrics reads it, on the same event loop. So a
supervisor that hangs is noticed by its silence.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

WORKER = "worker"
JOBS = "jobs"
"""The kinds of processes; the name of a process begins with its kind."""


class State(StrEnum):
    """What a process is doing."""

    STARTING = "starting"
    READY = "ready"
    HUNG = "hung"
    ENDED = "ended"
    DRAINING = "draining"


class Health:
    """The states of a vault's processes."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self._draining = False

    def live(self) -> bool:
        """Tell whether no process is past its hang limit and still there; false asks for a restart of the vault."""
        return State.HUNG not in self._states.values()

    def ready(self) -> bool:
        """Tell whether at least one worker serves and the vault is not draining."""
        return not self._draining and any(
            state is State.READY and name.startswith(WORKER) for name, state in self._states.items()
        )

    def states(self) -> Mapping[str, str]:
        """Return what each process is doing, by its name, for people."""
        return MappingProxyType(self._states)

    def summary(self) -> str:
        """Return the states in one line."""
        told = ", ".join(f"{name} {state}" for name, state in sorted(self._states.items()))
        return f"draining: {told}" if self._draining else told

    def set(self, name: str, state: State) -> None:
        """Take down what a process is doing."""
        self._states[name] = state

    def forget(self, name: str) -> None:
        """Forget a process that is gone for good."""
        self._states.pop(name, None)

    def drain(self) -> None:
        """Take down that the vault takes no new calls."""
        self._draining = True
