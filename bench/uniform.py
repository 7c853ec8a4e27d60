"""Whether answers tell why a code is not good: by their bytes, or by the time that they take.

Every call asks for one code, of a kind drawn at random, when the call before is answered; nothing else is asked
meanwhile. It is done twice: over the wire, where callers are; and in this process, without gRPC and without
waiting for the disk, by the processor time of the service's work, where there is least noise. See ``welch`` for
how the times are compared. The answers' bytes and trailers are compared over the wire.
"""

from __future__ import annotations  # grpc's classes are generic in their stubs alone

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from secrets import SystemRandom
from typing import NamedTuple

import grpc.aio

from bench.badcodes import REFERENCE, make_bad_codes
from bench.calls import SHOP, VALIDATE
from bench.cards import PROGRAM
from bench.clients import WrongAnswer
from bench.figure import Figure
from bench.grounds import Ground
from bench.rig import Rig, running_vault
from bench.welch import LARGEST_T, Difference, differences
from vault.cli.development import CALLERS
from vault.config import Config
from vault.policy.access import parse_access
from vault.policy.call import Call
from vault.service.answering.superseded import SupersededUses
from vault.v1.resources_pb2 import PresentedCode, Verdict
from vault.v1.validation_service_pb2 import ValidateCodeRequest, ValidateCodeResponse, ValidatedCode
from vault.wiring.parts import assemble, open_custody, open_store
from vault.wiring.worker import servicers

WARM_UP = 0.05
"""Share of the calls that are made before times are taken."""

NOT_GOOD = ValidateCodeResponse(result=ValidatedCode(verdict=Verdict.VERDICT_NOT_GOOD)).SerializeToString()

Times = dict[str, list[float]]
Ask = Callable[[bytes], Awaitable[float]]
"""Makes one call, and returns the microseconds that it took."""


class Sample(NamedTuple):
    """How many calls are timed in each place, and how many codes there are of each kind."""

    calls: int
    codes: int


class Seen(NamedTuple):
    """Differences of times by kind, over the wire and in this process, and how many replies differed."""

    wire: dict[str, Difference]
    work: dict[str, Difference]
    replies: int


def measure_uniform(folder: Path, ground: Ground, sample: Sample, say: Callable[[str], None]) -> Seen:
    """Time calls for bad codes of every kind.

    Args:
        folder: Where the vault goes.
        ground: Where its records live.
        sample: How many.
        say: Told what is being done, and how the medians differ.

    Raises:
        WrongAnswer: A bad code got another answer than that it is not good.
    """
    with running_vault(folder / "uniform", ground) as rig:
        requests = _requests(asyncio.run(make_bad_codes(rig, sample.codes)))
        replies: set[object] = set()
        wire = differences(asyncio.run(_over_wire(rig, requests, sample.calls, replies)), REFERENCE)
        settings = rig.config
    _tell(wire, "over the wire", say)
    work = differences(asyncio.run(_in_process(settings, requests, sample.calls)), REFERENCE)
    _tell(work, "in this process", say)
    return Seen(wire, work, len(replies))


def uniform_figures(seen: Seen) -> list[Figure]:
    """Return the figures: the replies, the largest |t| of each kind beside that above which times differ.

    How much of a difference would have been seen depends on the machine's noise and the number of calls, so it
    is shown as well.
    """
    figures = [Figure("different replies to bad codes", seen.replies, "", 1, "one", 1.0, at_most=True)]
    for place, found in (("over the wire", seen.wire), ("in process", seen.work)):
        figures += [
            Figure(f"|t| of {kind} and {REFERENCE}, {place}", abs(each.t), "", LARGEST_T, "differ", 1.0, at_most=True)
            for kind, each in found.items()
        ]
        least = max(found.values(), key=lambda each: each.visible)
        figures.append(Figure(f"would be seen {place}", least.visible, "µs", least.reference, "median answer", None))
    return figures


def _requests(codes: Mapping[str, Sequence[str]]) -> dict[str, list[bytes]]:
    return {
        kind: [
            ValidateCodeRequest(programs=[PROGRAM], code=PresentedCode(code=code)).SerializeToString() for code in some
        ]
        for kind, some in codes.items()
    }


async def _over_wire(rig: Rig, requests: Mapping[str, Sequence[bytes]], calls: int, replies: set[object]) -> Times:
    async with rig.client(SHOP) as client:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = client.channel.unary_unary(VALIDATE)

        async def ask(request: bytes) -> float:
            began = time.perf_counter_ns()
            call = method(request)
            answer = await call
            took = time.perf_counter_ns() - began
            _check(answer)
            first, last = await call.initial_metadata(), await call.trailing_metadata()
            replies.add((answer, tuple(first or ()), tuple(last or ()), await call.code(), await call.details()))
            return took / 1000

        return await _interleaved(ask, requests, calls)


async def _in_process(config: Config, requests: Mapping[str, Sequence[bytes]], calls: int) -> Times:
    principal = CALLERS[SHOP]
    grants = parse_access(config.server.access_file.read_bytes()).grants(principal)
    assert grants is not None, "the bench's access file names it"
    store = open_store(config)
    try:
        parts = await assemble(config, store, open_custody(config))
        superseded = SupersededUses(parts.recorder)
        servicer = servicers(parts, superseded)["vault.v1.ValidationService"]
        validate = getattr(servicer, "ValidateCode")  # noqa: B009  one of several kinds of servicers
        counting = asyncio.create_task(superseded.run())

        async def ask(body: bytes) -> float:
            began = time.process_time_ns()
            request = ValidateCodeRequest.FromString(body)
            call = Call(principal, grants, VALIDATE[1:], "bench", None, body, (PROGRAM,))
            answer = (await validate(call, request)).SerializeToString()
            took = time.process_time_ns() - began
            _check(answer)
            return took / 1000

        try:
            return await _interleaved(ask, requests, calls)
        finally:
            counting.cancel()
    finally:
        await store.close()


def _check(answer: bytes) -> None:
    if answer != NOT_GOOD:
        message = "a bad code got another answer than that it is not good"
        raise WrongAnswer(message)


async def _interleaved(ask: Ask, requests: Mapping[str, Sequence[bytes]], calls: int) -> Times:
    """Time calls of kinds drawn at random."""
    drawn, kinds = SystemRandom().randrange, list(requests)
    times: Times = {kind: [] for kind in kinds}
    warm_up = int(calls * WARM_UP)
    gc.collect()
    gc.freeze()
    for number in range(warm_up + calls):
        kind = kinds[drawn(len(kinds))]
        some = requests[kind]
        took = await ask(some[drawn(len(some))])
        if number >= warm_up:
            times[kind].append(took)
    gc.unfreeze()
    return times


def _tell(found: Mapping[str, Difference], where: str, say: Callable[[str], None]) -> None:
    for kind, each in found.items():
        say(f"{where}: {kind} {each.median:+.1f} µs from {REFERENCE} at the median, |t| {abs(each.t):.1f}")
