"""Sealed submissions: ValidateCode with a receipt beside the echo, and batches of either kind."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import echo
from bench.calls import CONNECTIONS, IN_FLIGHT, SHOP, Pace
from bench.cards import AT_ONCE, Wallet
from bench.clients import PROCESSES, REST_SECONDS, WrongAnswer, run_load
from bench.edges import Presentation
from bench.figure import Figure, middle
from bench.load import Order
from bench.rig import Rig

REACH = 0.55
SINGLES_REACH = 10_000.0
ENVELOPES_REACH = 40_000.0
BATCHES_IN_FLIGHT = 4
SEALING_SECONDS = 120.0
"""Allowed to a client process before it is ready."""


class Load(NamedTuple):
    """How much each client process seals: single codes, batches of 1,000 such, and envelopes of 1,000."""

    singles: int
    batches: int
    envelopes: int


class Seen(NamedTuple):
    """A second, run by run: the echo's calls, single codes, one worker's codes of batches, codes of envelopes."""

    echo: list[float]
    single: list[float]
    batch: list[float]
    envelope: list[float]


def measure_sealed(rig: Rig, wallet: Wallet, pace: Pace, load: Load, say: Callable[[str], None]) -> Seen:
    """Present sealed submissions of each kind, in turn with the echo.

    Args:
        rig: The running vault.
        wallet: Calls prepared for it.
        pace: How long the echo is measured, and how often all is done.
        load: How much is presented.
        say: Told what came of it.

    Raises:
        WrongAnswer: An answer was not the right one, or a receipt was missing.
        RuntimeError: A client process failed.
    """
    seen = Seen([], [], [], [])
    folder = wallet.validate.parent
    single = Presentation(
        address=rig.address,
        certificates=str(rig.certificates),
        pairs=str(wallet.validate),
        first=0,
        requests=load.singles,
        codes=1,
        together=False,
        receipts=True,
        connections=CONNECTIONS // PROCESSES,
        in_flight=IN_FLIGHT // PROCESSES,
    )
    many = single._replace(codes=AT_ONCE, receipts=False, connections=1, in_flight=BATCHES_IN_FLIGHT)
    with echo.echo_server(rig.certificates, rig.workers) as address:
        for number in range(pace.rounds):
            seen.echo.append(run_load(folder, _echo_order(rig, address, wallet, pace)).rate)
            seen.single.append(_present(folder, single, PROCESSES))
            seen.batch.append(_present(folder, many._replace(requests=load.batches), 1))
            envelopes = many._replace(requests=load.envelopes, together=True, connections=BATCHES_IN_FLIGHT)
            seen.envelope.append(_present(folder, envelopes, PROCESSES))
            say(
                f"round {number + 1}: echo {seen.echo[-1]:,.0f} calls/s; sealed {seen.single[-1]:,.0f} calls/s,"
                f" batches {seen.batch[-1]:,.0f} codes/s a worker, envelopes {seen.envelope[-1]:,.0f} codes/s"
            )
    return seen


def sealed_figures(seen: Seen) -> list[Figure]:
    """Return the figures."""
    single, bare = middle(seen.single), middle(seen.echo)
    batch, envelope = middle(seen.batch), middle(seen.envelope)
    return [
        Figure("sealed ValidateCode with receipt", single, "calls/s", bare, "echo", REACH),
        Figure("single submissions by 1,000", batch, "codes/s", SINGLES_REACH, "to reach, a worker", 1.0),
        Figure("envelopes of 1,000 codes", envelope, "codes/s", ENVELOPES_REACH, "to reach", 1.0),
    ]


def _echo_order(rig: Rig, address: str, wallet: Wallet, pace: Pace) -> Order:
    return Order(
        address=address,
        certificates=str(rig.certificates),
        caller=SHOP,
        method=echo.METHOD,
        pairs=str(wallet.echo),
        first=0,
        connections=CONNECTIONS,
        in_flight=IN_FLIGHT,
        warm_up_seconds=pace.warm_up_seconds,
        seconds=pace.seconds,
    )


def _present(folder: Path, shown: Presentation, processes: int) -> float:
    """Have client processes present at the same time, and return the codes a second of all."""
    with contextlib.ExitStack() as stack:
        running = []
        for number in range(processes):
            file = folder / f"presentation-{number}.json"
            file.write_text(json.dumps(shown._replace(first=number * 7919)._asdict()), encoding="utf-8")
            command = [sys.executable, "-m", "bench.edges", str(file)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603
            running.append(stack.enter_context(process))
            stack.callback(process.kill)
        for process in running:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                message = "a client process could not seal what it was to present"
                raise RuntimeError(message)
        for process in running:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        rate = 0.0
        for process in running:
            said, _ = process.communicate(timeout=SEALING_SECONDS + REST_SECONDS)
            if process.returncode:
                message = f"a client process ended with status {process.returncode}"
                raise RuntimeError(message)
            report = json.loads(said)
            if report["wrong"]:
                message = f"{report['wrong']} answers to sealed submissions were wrong"
                raise WrongAnswer(message)
            rate += report["codes"] / report["seconds"]
    return rate
