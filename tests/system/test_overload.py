"""A vault that is asked for several times what it can serve.

How well it does is a figure of the bench (``scripts/bench overload``); here it is that it sheds, says so, goes on
answering and is itself again afterwards. The bounds are generous, since tests run on busy machines.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.flood import Flood
from bench.overload import Ends, flooded, recovery_seconds, shared, together
from bench.pairs import Pair, write_pairs
from tests.system.issued import PROGRAM, create_program, issue
from tests.system.running import Running, running
from vault.v1 import administration_service_pb2 as administration
from vault.v1 import resources_pb2 as resources
from vault.v1 import validation_service_pb2 as validation

CARDS = 1000
TIMES = 5.0
REFUSALS = {"shed", "1", "4", "14", "held"}
"""UNAVAILABLE with a time to wait; reset unseen; too late for its deadline; with too little left of it; not sent."""


async def _prepare(vault: Running, file: Path) -> None:
    """Issue cards, and write the calls that validate them, with their right answers."""
    await create_program(vault)
    issued = await issue(vault, CARDS, active=True)
    write_pairs(file, [_pair(card, code) for card, code in issued])


def _pair(card_id: str, code: str) -> Pair:
    asked = validation.ValidateCodeRequest(programs=[PROGRAM], code=resources.PresentedCode(code=code))
    good = validation.ValidatedCode(
        verdict=resources.VERDICT_GOOD, card_id=card_id, program=PROGRAM, usage=resources.USAGE_UNUSED
    )
    return asked.SerializeToString(), validation.ValidateCodeResponse(result=good).SerializeToString()


async def _reachable(vault: Running) -> bool:
    """Ask for the vault's health, and call it as an operator, once each."""
    async with vault.client("operator") as client:
        health = await health_pb2_grpc.HealthStub(client.channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
        programs = await client.administration.ListPrograms(administration.ListProgramsRequest(), timeout=20)
    return bool(health.status == health_pb2.HealthCheckResponse.SERVING and programs.programs)


class _Seen(NamedTuple):
    """The best rate; how calls ended before, during and after five times of it; whether others got through."""

    best: float
    before: Ends
    over: Ends
    after: Ends
    reached: list[bool]


async def _overload(folder: Path, seconds: float) -> _Seen:
    with running(folder / "vault", workers=1) as vault:
        await _prepare(vault, folder / "validate.pairs")
        flood = Flood(
            address=vault.address,
            certificates=str(vault.certificates),
            caller="shop",
            method="/vault.v1.ValidationService/ValidateCode",
            pairs=str(folder / "validate.pairs"),
            first=0,
            connections=8,
            rate=0.0,
            in_flight=32,
            seconds=seconds / 2,
            deadline_ms=1000,
        )

        async def run(each: Flood) -> Ends:
            return together(await asyncio.to_thread(flooded, folder, *shared(each)))

        best = len((await run(flood))["good"]) / flood.seconds
        before = await run(flood._replace(rate=best / 3))
        over = asyncio.create_task(run(flood._replace(rate=best * TIMES, seconds=seconds)))
        reached = []
        while not over.done():
            reached.append(await _reachable(vault))
            await asyncio.sleep(0.3)
        after = await run(flood._replace(rate=best / 3, seconds=5.0))
        return _Seen(best, before, await over, after, reached)


def _check(seen: _Seen, seconds: float) -> None:
    counts = {kind: len(calls) for kind, calls in seen.over.items() if calls}
    recovery = recovery_seconds(seen.before["good"], seen.after["good"])
    print(f"best {seen.best:.0f} calls/s; at five times that {counts}; normal again after {recovery:.2f} s")
    assert set(counts) <= REFUSALS | {"good"}, "no wrong answer, and none left without one"
    assert counts["shed"] > 0
    assert counts["good"] > 0.2 * seen.best * seconds
    assert seen.reached
    assert all(seen.reached)
    last = max(due for due, _ in seen.after["good"]) - 1.0
    late = [kind for kind, calls in seen.after.items() for due, _ in calls if due > last and kind != "good"]
    assert late == [], "four seconds after, every call is answered"


async def test_five_times_the_load_is_shed_and_the_vault_recovers(tmp_path: Path) -> None:
    seconds = 3.0
    _check(await _overload(tmp_path, seconds), seconds)


@pytest.mark.long
async def test_five_times_the_load_for_half_a_minute(tmp_path: Path) -> None:
    seconds = 30.0
    _check(await _overload(tmp_path, seconds), seconds)
