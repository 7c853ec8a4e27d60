"""Client processes that load a server together, and what they saw."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from bench.load import Order
from bench.processes import cpu_seconds

PROCESSES = 2
REST_SECONDS = 240.0
"""Allowed beyond the time that was ordered."""


class WrongAnswer(Exception):
    """A server answered something else than what is right; no figure is worth anything then."""


class Run(NamedTuple):
    """What one run came to: calls a second, latencies in milliseconds, and the server's CPU in microseconds a call."""

    rate: float
    median_ms: float
    p99_ms: float
    cpu_us: float = 0.0


def run_load(folder: Path, order: Order, serving: Callable[[], Iterable[int]] = tuple) -> Run:
    """Have client processes carry out an order at the same time, sharing its calls in flight and connections.

    Args:
        folder: Where the order's file may be written.
        order: What they do together; ``first`` is set for each.
        serving: Returns the process ids of the server whose CPU time is looked at, the warm-up's calls included.

    Raises:
        WrongAnswer: An answer was not the right one.
        RuntimeError: A process failed, or was not done in time.
    """
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(_process(folder / f"order-{number}.json", order, number)) for number in range(PROCESSES)
        ]
        try:
            reports, cpu = _reports(processes, order, serving)
        finally:
            for process in processes:
                process.kill()
    if wrong := sum(report["wrong"] for report in reports):
        message = f"{wrong} answers of {order.method} were wrong"
        raise WrongAnswer(message)
    latencies = sorted(latency for report in reports for latency in report["latencies"])
    if not latencies:
        message = f"no call of {order.method} was answered in time"
        raise RuntimeError(message)
    return Run(
        rate=len(latencies) / order.seconds,
        median_ms=latencies[len(latencies) // 2] / 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] / 1000,
        cpu_us=1e6 * cpu / sum(report["all"] for report in reports),
    )


def _process(file: Path, order: Order, number: int) -> "subprocess.Popen[str]":
    share = order._replace(
        connections=order.connections // PROCESSES,
        in_flight=order.in_flight // PROCESSES,
        first=number * 7919,  # so that they ask for different codes at the same time
    )
    file.write_text(json.dumps(share._asdict()), encoding="utf-8")
    command = [sys.executable, "-m", "bench.load", str(file)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603


def _reports(
    processes: "list[subprocess.Popen[str]]", order: Order, serving: Callable[[], Iterable[int]]
) -> tuple[list[dict[str, Any]], float]:
    """Return what the processes report, and the server's CPU seconds meanwhile."""
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            message = "a client process could not connect"
            raise RuntimeError(message)
    before = cpu_seconds(serving())
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    reports: list[dict[str, Any]] = []
    for process in processes:
        said, _ = process.communicate(timeout=order.warm_up_seconds + order.seconds + REST_SECONDS)
        if process.returncode:
            message = f"a client process ended with status {process.returncode}"
            raise RuntimeError(message)
        reports.append(json.loads(said))
    return reports, cpu_seconds(serving()) - before
