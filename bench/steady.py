"""Client processes that offer calls at a steady rate, and how late the answers were."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.calls import SHOP, VALIDATE
from bench.cards import Wallet
from bench.clients import Run, WrongAnswer
from bench.offered import Offer
from bench.rig import Rig

RATE = 300.0
"""ValidateCode calls a second beside which a re-issue is measured."""

PROCESSES = 2
CONNECTIONS = 8
"""Of each process."""

END_SECONDS = 60.0
"""Allowed for the answers that are outstanding."""

_P99 = 0.99


class Offered:
    """What became of the calls that were offered: known once the load has ended."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int]] = []
        self._wrong = 0

    def take(self, report: str) -> None:
        """Take what one process reports."""
        said = json.loads(report)
        self._wrong += said["wrong"]
        self._calls += [(due, micros) for due, micros in said["calls"]]

    def between(self, begin: float, end: float) -> Run:
        """Return what calls came to that were due in a time, by the monotonic clock.

        Raises:
            WrongAnswer: Any answer, at whatever time, was not the right one.
            RuntimeError: No call was due then.
        """
        if self._wrong:
            message = f"{self._wrong} answers to calls at a steady rate were wrong"
            raise WrongAnswer(message)
        latencies = sorted(micros for due, micros in self._calls if begin <= due < end)
        if not latencies:
            message = "no call was due in the time that is measured"
            raise RuntimeError(message)
        return Run(
            rate=len(latencies) / (end - begin),
            median_ms=latencies[len(latencies) // 2] / 1000,
            p99_ms=latencies[int(len(latencies) * _P99)] / 1000,
        )


def validations(rig: Rig, wallet: Wallet, rate: float = RATE) -> Offer:
    """Return what offers a vault ValidateCode calls, so many a second."""
    return Offer(
        address=rig.address,
        certificates=str(rig.certificates),
        caller=SHOP,
        method=VALIDATE,
        pairs=str(wallet.validate),
        first=0,
        connections=CONNECTIONS,
        rate=rate,
        wait_seconds=0.0,
    )


@contextlib.contextmanager
def offered_load(folder: Path, offer: Offer) -> Iterator[Offered]:
    """Have client processes offer calls, at the offer's rate together, while the body runs.

    Args:
        folder: Where the offers' files may be written.
        offer: What they do together; ``first`` and ``wait_seconds`` are set for each.

    Raises:
        RuntimeError: A client process failed.
    """
    offered = Offered()
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_process(folder, offer, number)) for number in range(PROCESSES)]
        try:
            for process in processes:
                assert process.stdout is not None
                if process.stdout.readline() != "ready\n":
                    message = "a client process could not connect"
                    raise RuntimeError(message)
            _tell(processes, "go\n")
            yield offered
            _tell(processes, "end\n")
            for process in processes:
                said, _ = process.communicate(timeout=END_SECONDS)
                if process.returncode:
                    message = f"a client process ended with status {process.returncode}"
                    raise RuntimeError(message)
                offered.take(said)
        finally:
            for process in processes:
                process.kill()


def _tell(processes: "list[subprocess.Popen[str]]", line: str) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(line)
        process.stdin.flush()


def _process(folder: Path, offer: Offer, number: int) -> "subprocess.Popen[str]":
    share = offer._replace(
        first=number * 7919,
        rate=offer.rate / PROCESSES,
        wait_seconds=number / offer.rate,  # so that their calls are not due at the same time
    )
    file = folder / f"offer-{number}.json"
    file.write_text(json.dumps(share._asdict()), encoding="utf-8")
    command = [sys.executable, "-m", "bench.offered", str(file)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
