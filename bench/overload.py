"""A vault that is asked for five times what it can serve: how much it still serves, and how soon it is itself again.

1. The best rate is that of a number of calls always in flight; goodput is right answers within the deadline while
   five times that rate is offered, by the same client processes.
2. Before and after, half of the best rate is offered. The vault has recovered when the median of a quarter second is no
   longer than twice what nine of ten calls took before, and stays so.

Client processes and vault share the machine's cores; the clients (``bench.flood``) take a few hundredths of one.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.calls import SHOP, VALIDATE, Pace
from bench.cards import Wallet
from bench.figure import Figure, middle
from bench.flood import Flood
from bench.rig import Rig

PROCESSES = 2
CONNECTIONS = 16
IN_FLIGHT = 64
TIMES = 5.0
DEADLINE_MS = 1000
GOODPUT_REACH = 0.7
RECOVERY_SECONDS = 5.0
SLICE_SECONDS = 0.25
REST_SECONDS = 60.0
SLOWER = 2.0
_FIRST_OF = 7919
_HALF, _NINE_OF_TEN = 0.5, 0.9

Call = tuple[float, int]
"""When a call was due, in seconds, and how long it took, in microseconds."""

Ends = dict[str, list[Call]]


class Overloaded(NamedTuple):
    """What one round came to: rates in calls a second, and how long latency was not normal after, in seconds."""

    best: float
    offered: float
    goodput: float
    recovery_seconds: float
    ends: dict[str, int]


def flooded(folder: Path, *floods: Flood) -> list[Ends]:
    """Have client processes carry out floods at the same time, and return how each one's calls ended.

    Raises:
        RuntimeError: A process failed.
    """
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_process(folder / f"flood-{at}.json", each)) for at, each in enumerate(floods)]
        try:
            for process in processes:
                assert process.stdout is not None
                if process.stdout.readline() != "ready\n":
                    message = "a client process could not connect"
                    raise RuntimeError(message)
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            return [_ends(process, flood) for process, flood in zip(processes, floods, strict=True)]
        finally:
            for process in processes:
                process.kill()


def shared(flood: Flood, processes: int = PROCESSES) -> list[Flood]:
    """Return a flood as processes share it."""
    return [
        flood._replace(
            first=number * _FIRST_OF,  # so that they ask for different codes at the same time
            connections=flood.connections // processes,
            rate=flood.rate / processes,
            in_flight=flood.in_flight // processes,
        )
        for number in range(processes)
    ]


def together(ends: list[Ends]) -> Ends:
    """Return what several processes saw as if it were one."""
    return {kind: sorted(call for each in ends for call in each.get(kind, [])) for kind in {k for e in ends for k in e}}


def recovery_seconds(before: list[Call], after: list[Call], limit_seconds: float = RECOVERY_SECONDS) -> float:
    """Return for how long after an overload calls took longer than before, in seconds.

    Args:
        before: Calls at the same rate before the overload.
        after: Calls from its end on.
        limit_seconds: What is answered where they never were as fast again.
    """
    normal = SLOWER * _reached(before, _NINE_OF_TEN)
    start = min(due for due, _ in after)
    slices: dict[int, list[Call]] = {}
    for call in after:
        slices.setdefault(int((call[0] - start) / SLICE_SECONDS), []).append(call)
    late = [number for number, calls in slices.items() if _reached(calls, _HALF) > normal]
    if not late:
        return 0.0
    return limit_seconds if max(late) == max(slices) else (max(late) + 1) * SLICE_SECONDS


def measure_overload(rig: Rig, wallet: Wallet, pace: Pace, say: Callable[[str], None]) -> list[Figure]:
    """Measure goodput under five times the load that the vault can serve, and its recovery."""
    seen = []
    for number in range(pace.rounds):
        seen.append(_round(rig, wallet, pace.seconds))
        one = seen[-1]
        say(
            f"round {number + 1}: {one.goodput:,.0f} good of {one.offered:,.0f} calls/s offered, best {one.best:,.0f}, "
            f"normal again after {one.recovery_seconds:.2f} s; {one.ends}"
        )
    goodput, best = middle([one.goodput for one in seen]), middle([one.best for one in seen])
    recovery = middle([one.recovery_seconds for one in seen])
    return [
        Figure("goodput at 5x", goodput, "calls/s", best, "best rate", GOODPUT_REACH),
        Figure("recovery after 5x", recovery, "s", RECOVERY_SECONDS, "limit", 1.0, at_most=True),
    ]


def _round(rig: Rig, wallet: Wallet, seconds: float) -> Overloaded:
    folder = wallet.validate.parent
    flood = Flood(
        address=rig.address,
        certificates=str(rig.certificates),
        caller=SHOP,
        method=VALIDATE,
        pairs=str(wallet.validate),
        first=0,
        connections=CONNECTIONS,
        rate=0.0,
        in_flight=IN_FLIGHT,
        seconds=seconds,
        deadline_ms=DEADLINE_MS,
    )

    def run(each: Flood) -> Ends:
        return together(flooded(folder, *shared(each)))

    best = len(run(flood)["good"]) / seconds
    half = flood._replace(rate=best / 2)
    before = run(half)["good"]
    over = run(flood._replace(rate=best * TIMES))
    after = run(half._replace(seconds=RECOVERY_SECONDS))["good"]
    in_time = [took for _, took in over["good"] if took <= DEADLINE_MS * 1000]
    return Overloaded(
        best=best,
        offered=best * TIMES,
        goodput=len(in_time) / seconds,
        recovery_seconds=recovery_seconds(before, after),
        ends={kind: len(calls) for kind, calls in sorted(over.items()) if calls},
    )


def _reached(calls: list[Call], part: float) -> int:
    """Return the latency within which a part of the calls are answered, in microseconds."""
    return sorted(took for _, took in calls)[int(len(calls) * part)]


def _process(file: Path, flood: Flood) -> "subprocess.Popen[str]":
    file.write_text(json.dumps(flood._asdict()), encoding="utf-8")
    command = [sys.executable, "-m", "bench.flood", str(file)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def _ends(process: "subprocess.Popen[str]", flood: Flood) -> Ends:
    said, _ = process.communicate(timeout=flood.seconds + flood.deadline_ms / 1000 + flood.last_seconds + REST_SECONDS)
    if process.returncode:
        message = f"a client process ended with status {process.returncode}"
        raise RuntimeError(message)
    ends: Any = json.loads(said)
    return {kind: [(due, took) for due, took in calls] for kind, calls in ends.items()}
