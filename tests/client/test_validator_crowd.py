"""Two hundred callers at once, with deadlines, cancellations and bad codes: each gets its own answer alone."""

import asyncio
import time
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.conftest import Peer
from tests.client.crowd import code_of, right, serve_groups
from vault.client.validator import Validator
from vault.errors import FailedPrecondition, InvalidInput, Unavailable, VaultError
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest, ValidatedCode

CALLERS = 200
PATIENT_SECONDS = 240.0
LATENESS_SECONDS = 60.0
"""Allowed beyond a deadline on a machine that does other things too."""


class Code(Enum):
    """What a caller brings."""

    FINE = 0
    SHORT = 1
    SEALED = 2
    REFUSED = 3
    NO_CODE = 4


class Caller(NamedTuple):
    """What a caller does: leaves or is cancelled after so many hundredths of a second, or stays."""

    code: Code
    programs: int
    deadline: int | None
    cancel: int | None
    late: int


callers = st.builds(
    Caller,
    code=st.sampled_from([Code.FINE] * 5 + [Code.SHORT, Code.SEALED, Code.REFUSED, Code.NO_CODE]),
    programs=st.integers(1, 3),
    deadline=st.one_of(st.none(), st.integers(0, 30)),
    cancel=st.one_of(st.none(), st.none(), st.integers(0, 30)),
    late=st.integers(0, 10),
)
crowds = st.lists(callers, min_size=CALLERS, max_size=CALLERS)


def brought(number: int, code: Code) -> str | bytes:
    match code:
        case Code.FINE:
            return code_of(number)
        case Code.SHORT:
            return code_of(number, 12)
        case Code.SEALED:
            return bytes([1]) + number.to_bytes(4, "big") * 150
        case Code.REFUSED:
            return "66" + code_of(number, 14)
        case Code.NO_CODE:
            return f"code {number}"


def refuses(request: BatchValidateCodesRequest) -> VaultError | None:
    for place, form in enumerate(request.codes):
        if form.code.startswith("66"):
            return FailedPrecondition(form.code[2:], reason="NOT_THIS", field=f"codes[{place}].code")
    return None


async def call(validator: Validator, number: int, caller: Caller) -> ValidatedCode | BaseException | None:
    """Return what came to a caller, None where it was cancelled, and see to it that it came in time."""
    await asyncio.sleep(caller.late / 100)
    seconds = PATIENT_SECONDS if caller.deadline is None else caller.deadline / 100
    programs = ["netcash", "gift", "other"][: caller.programs]
    asking = asyncio.create_task(validator.validate(brought(number, caller.code), programs, seconds))
    began = time.monotonic()
    if caller.cancel is not None:
        await asyncio.wait({asking}, timeout=caller.cancel / 100)
        asking.cancel()
    await asyncio.wait({asking})
    assert time.monotonic() - began < seconds + LATENESS_SECONDS
    return None if asking.cancelled() else asking.exception() or asking.result()


def check(number: int, caller: Caller, came: ValidatedCode | BaseException | None) -> None:
    if came is None:
        assert caller.cancel is not None
    elif isinstance(came, Unavailable):
        assert came.reason == "DEADLINE_EXCEEDED"
        assert caller.deadline is not None
    elif caller.code is Code.NO_CODE:
        assert isinstance(came, InvalidInput)
    elif caller.code is Code.REFUSED:
        assert isinstance(came, FailedPrecondition)
        assert came.message == code_of(number, 14)
        assert came.field == "code.code"
    else:
        assert came == right(brought(number, caller.code))


async def scene(certificates: Path, crowd: list[Caller]) -> None:
    peer = Peer(certificates)
    groups = serve_groups(peer, refuses)
    groups.seconds = 0.02
    tasks_before = asyncio.all_tasks()
    async with await peer.client() as client:
        async with Validator(client, group_size=16) as validator:
            calls = (call(validator, number, caller) for number, caller in enumerate(crowd))
            for number, came in enumerate(await asyncio.gather(*calls)):
                check(number, crowd[number], came)
        assert not {task for task in asyncio.all_tasks() - tasks_before if "_carry_out" in repr(task)}
    await peer.server.stop(None)


@settings(max_examples=8, deadline=None)
@given(crowd=crowds)
def test_every_one_of_two_hundred_callers_gets_its_own_answer_in_its_own_time(
    certificates: Path, crowd: list[Caller]
) -> None:
    asyncio.run(scene(certificates, crowd))
