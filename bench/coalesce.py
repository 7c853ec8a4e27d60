"""The Python client's Validator with 64 callers, beside the same callers with a call each.

``python -m bench.coalesce FILE`` is the client process; the file holds ``Callers`` as JSON. It has one client, so
one connection to one worker, and lets each caller ask again as soon as it has its answer, through the warm-up
and the time that is measured. It writes one JSON object: codes answered in that time, and wrong answers.
"""

import asyncio
import gc
import itertools
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from bench.calls import SHOP, Pace
from bench.cards import PROGRAM, Wallet
from bench.clients import REST_SECONDS, WrongAnswer
from bench.figure import Figure, middle
from bench.pairs import read_pairs
from bench.rig import Rig
from vault.client import Validator, VaultClient, connect
from vault.v1.validation_service_pb2 import ValidateCodeRequest, ValidateCodeResponse, ValidatedCode

CALLERS = 64
REACH = 5.0
ONE_BY_ONE, TOGETHER = "one by one", "together"

Ask = Callable[[ValidateCodeRequest], Awaitable[ValidatedCode]]


class Callers(NamedTuple):
    """What the client process is to do."""

    address: str
    certificates: str
    caller: str
    pairs: str
    way: str
    callers: int
    warm_up_seconds: float
    seconds: float


class Seen(NamedTuple):
    """Codes answered a second, run by run."""

    one_by_one: list[float]
    together: list[float]


def measure_coalesce(rig: Rig, wallet: Wallet, pace: Pace, say: Callable[[str], None]) -> Seen:
    """Have callers ask one by one and together, in turn.

    Args:
        rig: The running vault.
        wallet: Calls prepared for it.
        pace: How long and how often.
        say: Told what came of it.

    Raises:
        WrongAnswer: A caller got another answer than the one to its code.
        RuntimeError: The client process failed.
    """
    seen = Seen([], [])
    for number in range(pace.rounds):
        for way, rates in ((ONE_BY_ONE, seen.one_by_one), (TOGETHER, seen.together)):
            rates.append(_rate(rig, wallet, pace, way))
            say(f"round {number + 1}: {CALLERS} callers {way} {rates[-1]:,.0f} codes/s")
    return seen


def coalesce_figures(seen: Seen) -> list[Figure]:
    """Return the figure."""
    together, one_by_one = middle(seen.together), middle(seen.one_by_one)
    return [Figure(f"Validator, {CALLERS} callers", together, "codes/s", one_by_one, "a call each", REACH)]


def _rate(rig: Rig, wallet: Wallet, pace: Pace, way: str) -> float:
    callers = Callers(
        rig.address,
        str(rig.certificates),
        SHOP,
        str(wallet.validate),
        way,
        CALLERS,
        pace.warm_up_seconds,
        pace.seconds,
    )
    file = wallet.validate.parent / "callers.json"
    file.write_text(json.dumps(callers._asdict()), encoding="utf-8")
    command = [sys.executable, "-m", "bench.coalesce", str(file)]
    limit = pace.warm_up_seconds + pace.seconds + REST_SECONDS
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=limit, check=True)  # noqa: S603
    said = json.loads(done.stdout)
    if said["wrong"]:
        message = f"{said['wrong']} answers to callers {way} were wrong"
        raise WrongAnswer(message)
    return float(said["codes"] / pace.seconds)


class _Tally:
    """What was seen."""

    def __init__(self) -> None:
        self.wrong = 0
        self.codes = 0


async def _work(callers: Callers) -> _Tally:
    questions = [
        (ValidateCodeRequest.FromString(request), ValidateCodeResponse.FromString(answer).result)
        for request, answer in read_pairs(Path(callers.pairs))
    ]
    tally = _Tally()
    async with _client(callers) as client, Validator(client) as validator:

        async def one_by_one(request: ValidateCodeRequest) -> ValidatedCode:
            return (await client.call(client.validation.ValidateCode, request)).result

        async def together(request: ValidateCodeRequest) -> ValidatedCode:
            return await validator.validate(request.code.code, (PROGRAM,))

        ask = together if callers.way == TOGETHER else one_by_one
        await ask(questions[0][0])  # connects
        gc.collect()
        gc.freeze()
        begin = asyncio.get_running_loop().time() + callers.warm_up_seconds
        turn = itertools.cycle(questions)
        window = (begin, begin + callers.seconds)
        await asyncio.gather(*(_keep_asking(ask, turn, window, tally) for _ in range(callers.callers)))
    return tally


async def _keep_asking(
    ask: Ask,
    turn: Iterator[tuple[ValidateCodeRequest, ValidatedCode]],
    window: tuple[float, float],
    tally: _Tally,
) -> None:
    begin, end = window
    now = asyncio.get_running_loop().time
    while (at := now()) < end:
        request, right = next(turn)
        answer = await ask(request)
        if answer != right:
            tally.wrong += 1
        if at >= begin and now() <= end:
            tally.codes += 1


def _client(callers: Callers) -> VaultClient:
    folder = Path(callers.certificates)
    return connect(
        callers.address,
        ca=folder / "ca.pem",
        certificate=folder / f"{callers.caller}.pem",
        private_key=folder / f"{callers.caller}.key",
        timeout_seconds=REST_SECONDS,
    )


def main() -> int:
    """Be the callers, and report."""
    callers = Callers(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    tally = asyncio.run(_work(callers))
    print(json.dumps({"codes": tally.codes, "wrong": tally.wrong}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
