"""ValidateCode at steady rates beside the echo: calls come whether those before are answered or not.

A closed loop waits for a slow answer before it asks again, so it sees few of them; here a call's time runs from when it
was due.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from bench import echo
from bench.cards import Wallet
from bench.clients import Run
from bench.figure import Figure, middle
from bench.rig import Rig
from bench.steady import offered_load, validations


class Rates(NamedTuple):
    """Calls a second that are offered, how long each rate is held, and how often."""

    rates: tuple[float, ...]
    warm_up_seconds: float
    seconds: float
    rounds: int


class Paced(NamedTuple):
    """The runs of one rate."""

    echo: list[Run]
    validate: list[Run]


def measure_paced(rig: Rig, wallet: Wallet, asked: Rates, say: Callable[[str], None]) -> list[Figure]:
    """Measure ValidateCode at each rate, in turn with the echo.

    Args:
        rig: The running vault.
        wallet: Calls prepared for it.
        asked: The rates.
        say: Told what is being done.

    Raises:
        WrongAnswer: An answer was not the right one.
    """
    seen = {rate: Paced([], []) for rate in asked.rates}
    with echo.echo_server(rig.certificates, rig.workers) as address:
        for number in range(asked.rounds):
            for rate, paced in seen.items():
                offer = validations(rig, wallet, rate)
                echoed = offer._replace(address=address, method=echo.METHOD, pairs=str(wallet.echo))
                for name, runs, order in (("echo", paced.echo, echoed), ("validate", paced.validate, offer)):
                    with offered_load(wallet.validate.parent, order) as offered:
                        time.sleep(asked.warm_up_seconds)
                        begin = time.monotonic()
                        time.sleep(asked.seconds)
                        end = time.monotonic()
                    run = offered.between(begin, end)
                    runs.append(run)
                    told = f"median {run.median_ms:.1f} ms, p99 {run.p99_ms:.1f} ms"
                    say(f"round {number + 1}: {name} at {run.rate:,.0f} calls/s, {told}")
    return [figure for rate, paced in seen.items() for figure in _figures(rate, paced)]


def _figures(rate: float, paced: Paced) -> list[Figure]:
    figure = partial(Figure, unit="ms", reach=None)
    medians = [middle([run.median_ms for run in runs]) for runs in paced]
    p99s = [middle([run.p99_ms for run in runs]) for runs in paced]
    return [
        figure(f"median at {rate:,.0f} calls/s", medians[1], yardstick=medians[0], yardstick_name="echo's median"),
        figure(f"p99 at {rate:,.0f} calls/s", p99s[1], yardstick=p99s[0], yardstick_name="echo's p99"),
    ]
