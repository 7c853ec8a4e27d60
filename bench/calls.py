"""ValidateCode and BatchValidateCodes beside the echo."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench import echo
from bench.cards import AT_ONCE, Wallet
from bench.clients import Run, run_load
from bench.figure import Figure, middle
from bench.grounds import Reach
from bench.load import Order
from bench.profile import profiled
from bench.rig import Rig

SHOP = "shop"
VALIDATE = "/vault.v1.ValidationService/ValidateCode"
BATCH = "/vault.v1.ValidationService/BatchValidateCodes"
CONNECTIONS, IN_FLIGHT = 16, 128
"""Of single calls, the echo's as well.

What is measured is how much the processors can do. Calls that arrive within 16 ms share a commit
(``vault.service.answering.coalesce``), so of 64 in flight most waited for the next one: a fifth of the processors' time
was left over then, and a tenth with 128 (2026-11-24). The echo does no more with 128 than with 64.
"""

BATCH_CONNECTIONS, BATCH_IN_FLIGHT = 8, 8
P99_REACH = 2.0
LOOK_UPS_AT_ONCE = 500


class Pace(NamedTuple):
    """How long and how often is measured."""

    rounds: int
    warm_up_seconds: float
    seconds: float


class Seen(NamedTuple):
    """The runs of each kind of call; and of bare look-ups, in codes a second, where they are a yardstick."""

    echo: list[Run]
    validate: list[Run]
    batch: list[Run]
    one_by_one: list[float]
    many_at_once: list[float]


def measure_calls(  # noqa: PLR0913, PLR0917  what is measured, how, and where to tell
    rig: Rig,
    wallet: Wallet,
    pace: Pace,
    asked: frozenset[str],
    say: Callable[[str], None],
    profile: Path | None = None,
) -> list[Figure]:
    """Measure calls, each kind in turn with the echo.

    Args:
        rig: The running vault.
        wallet: Calls prepared for it.
        pace: How long and how often.
        asked: The kinds wanted: ``validate``, ``batch``.
        say: Told what is being done.
        profile: Where to write where the time of one worker went in a run of each kind more; its name gets the kind.
    """
    folder = wallet.validate.parent

    def serving() -> list[int]:
        return [*rig.pids("worker"), *rig.ground.pids()]

    seen = Seen([], [], [], [], [])
    with echo.echo_server(rig.certificates, rig.workers) as address:
        kinds = {
            "echo": (seen.echo, _order(rig, address, echo.METHOD, wallet.echo, pace)),
            "validate": (seen.validate, _order(rig, rig.address, VALIDATE, wallet.validate, pace)),
            "batch": (
                seen.batch,
                _order(rig, rig.address, BATCH, wallet.batch, pace)._replace(
                    connections=BATCH_CONNECTIONS, in_flight=BATCH_IN_FLIGHT
                ),
            ),
        }
        wanted = ["echo", *(kind for kind in ("validate", "batch") if kind in asked)]
        for number in range(pace.rounds):
            for kind in wanted:
                runs, order = kinds[kind]
                run = run_load(folder, order, echo.pids if kind == "echo" else serving)
                runs.append(run)
                told = f"{run.rate:,.0f} calls/s, p99 {run.p99_ms:.1f} ms, CPU {run.cpu_us:,.0f} µs a call"
                say(f"round {number + 1}: {kind} {told}")
            for kind, rates, at_once in (
                ("validate", seen.one_by_one, 1),
                ("batch", seen.many_at_once, LOOK_UPS_AT_ONCE),
            ):
                rate = _look_up(rig, at_once, pace) if kind in asked else None
                if rate is not None:
                    rates.append(rate)
                    say(f"round {number + 1}: bare look-ups {rate:,.0f} codes/s, {at_once} at once")
        for kind in wanted[1:]:
            if profile is None:
                break
            file = profile.with_stem(f"{profile.stem}-{kind}")
            with profiled(rig.pids("worker")[0], file):
                run_load(folder, kinds[kind][1])
            say(f"where a worker's time goes in {kind}: {file}")
    return _figures(seen, rig.ground.reach)


def _look_up(rig: Rig, at_once: int, pace: Pace) -> float | None:
    return rig.ground.look_up(rig.place.configuration, at_once, pace.seconds, rig.workers)


def touch(rig: Rig, wallet: Wallet, seconds: float) -> None:
    """Have the workers answer calls of both kinds for some time, without measuring it."""
    pace = Pace(1, 0.0, seconds)
    run_load(wallet.validate.parent, _order(rig, rig.address, VALIDATE, wallet.validate, pace))
    order = _order(rig, rig.address, BATCH, wallet.batch, pace)
    run_load(wallet.validate.parent, order._replace(connections=BATCH_CONNECTIONS, in_flight=BATCH_IN_FLIGHT))


def _order(rig: Rig, address: str, method: str, pairs: Path, pace: Pace) -> Order:
    return Order(
        address=address,
        certificates=str(rig.certificates),
        caller=SHOP,
        method=method,
        pairs=str(pairs),
        first=0,
        connections=CONNECTIONS,
        in_flight=IN_FLIGHT,
        warm_up_seconds=pace.warm_up_seconds,
        seconds=pace.seconds,
    )


def _figures(seen: Seen, reach: Reach) -> list[Figure]:
    rate = middle([run.rate for run in seen.echo])
    figures = []
    if seen.validate:
        validated = middle([run.rate for run in seen.validate])
        p99, echo_p99 = (middle([run.p99_ms for run in runs]) for runs in (seen.validate, seen.echo))
        figures += [
            Figure("ValidateCode", validated, "calls/s", rate, "echo", reach.validate),
            Figure("p99 of ValidateCode", p99, "ms", echo_p99, "echo's p99", P99_REACH, at_most=True),
            _cpu("ValidateCode", seen.validate, seen.echo),
            *_beside_look_ups("ValidateCode", validated, "calls/s", seen.one_by_one, 1),
        ]
    if seen.batch:
        codes = middle([run.rate for run in seen.batch]) * AT_ONCE
        figures += [
            Figure("BatchValidateCodes", codes, "codes/s", rate, "echo, calls/s", reach.batch),
            _cpu("BatchValidateCodes", seen.batch, seen.echo),
            *_beside_look_ups("BatchValidateCodes", codes, "codes/s", seen.many_at_once, LOOK_UPS_AT_ONCE),
        ]
    return figures


def _cpu(name: str, runs: list[Run], echo_runs: list[Run]) -> Figure:
    """Return the CPU time of workers and store for a call, beside the echo's."""
    used, echoed = (middle([run.cpu_us for run in each]) for each in (runs, echo_runs))
    return Figure(f"CPU of {name}", used, "µs/call", echoed, "echo's", None)


def _beside_look_ups(name: str, value: float, unit: str, rates: list[float], at_once: int) -> list[Figure]:
    return [Figure(name, value, unit, middle(rates), f"look-ups by {at_once}", None)] if rates else []
