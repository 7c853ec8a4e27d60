"""Asking about many codes at once, one caller at a time: concurrent calls share BatchValidateCodes.

A web service has a coroutine for each of its customers. Each asks for one code, and what they ask at the same
time travels together::

    async with Validator(client) as validator:
        answer = await validator.validate("1234 5678 9012 3452", ["netcash"])
        if answer.verdict == Verdict.VERDICT_GOOD:
            ...

1. No waiting is added: what has arrived leaves together while fewer than ``GROUPS`` groups are on their way.
2. Every caller gets the answer to its own code, as ValidateCode would give it, and its own refusal: a code that
   is refused never fails its neighbours, which are asked again in the same breath. What can be found wrong
   before sending is not sent.
3. No caller waits past its own deadline. A group goes on, repeated where the vault is unavailable, for the last
   of its callers; one that is cancelled or late leaves it and harms nobody.
4. At most ``most_waiting`` callers wait for a group; the next one is refused at once, with Unavailable
   (VALIDATOR_FULL), so that memory stays bounded when the vault is slow. Whoever walks through a list of codes
   bounds his own concurrency.
5. Codes for different programs, in clear or sealed, and of different lengths, never share a group. A group of
   sealed codes has one request id for all its tries, so that each is taken once and answered however often the
   group is sent.

Limits: a sealed submission must hold one code, and is spent with the group in which it was sent. When its
caller left before the answer came, seal the code again. Receipts are asked for with ValidateCode, or one over a
batch. A group's call stands in the trace of one of its callers.
"""

import asyncio
import re
from collections.abc import Sequence
from types import TracebackType
from typing import Final, NamedTuple, Self

from vault.client.channel import VaultClient
from vault.client.gathering import Asked, Gatherer, Limits, copy_of
from vault.codes.format import normalize
from vault.crypto.submission import LARGEST, SMALLEST
from vault.errors import InvalidInput, Unavailable, VaultError
from vault.v1.resources_pb2 import PresentedCode
from vault.v1.validation_service_pb2 import BatchValidateCodesRequest, ValidatedCode

GROUPS: Final = 2
"""Groups on their way at the same time: while one is answered the other is written and read."""

GROUP_SIZE: Final = 256
"""Codes in one group at most, so that the first of them is not kept waiting for long."""

GROUP_BYTES: Final = 1024 * 1024
"""Bytes of sealed codes in one group at most; one submission has 565 to 24,629."""

MOST_WAITING: Final = 10_000
OF_ALL: Final = frozenset({"CODE_LENGTH", "SEAL_REQUIRED"})
"""The refusals of one code that are true of its whole group: see ``_Lane``."""

_ITEM = re.compile(r"codes\[(\d+)\](?:\.|$)")

Questions = Sequence[Asked[PresentedCode, ValidatedCode]]


class _Lane(NamedTuple):
    """What the codes of one group have in common; ``digits`` is how long they are, 0 for sealed ones.

    The vault refuses a length that no program of the group has, and codes in clear where one of the programs
    takes sealed ones only, and then it refuses the whole group alike.
    """

    programs: tuple[str, ...]
    digits: int


class Validator:
    """Answers whether codes are good, through one client; an asynchronous context manager that closes itself.

    It belongs to the event loop of its client, which it leaves open.
    """

    def __init__(
        self,
        client: VaultClient,
        *,
        timeout_seconds: float | None = None,
        groups: int = GROUPS,
        group_size: int = GROUP_SIZE,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        """Ask through a client.

        Args:
            client: The connection; its caller must be a validator for the programs asked.
            timeout_seconds: Deadline of a call for which none is given; the client's where None.
            groups: Groups on their way at the same time, 1 to 64.
            group_size: Codes in one group, 1 to 1,000.
            most_waiting: Callers that may wait for a group, at least 1.

        Raises:
            InvalidInput: A number is out of its bounds.
        """
        given = {"groups": (groups, 64), "group_size": (group_size, 1000), "most_waiting": (most_waiting, most_waiting)}
        for name, (value, most) in given.items():
            if not 1 <= value <= most:
                raise InvalidInput(f"{name} is out of its bounds", reason="OUT_OF_RANGE", field=name)
        self._client = client
        self._timeout_seconds = timeout_seconds
        limits = Limits(groups, group_size, GROUP_BYTES, most_waiting)
        self._gatherer: Gatherer[_Lane, PresentedCode, ValidatedCode] = Gatherer(self._answer, limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def validate(
        self, code: str | bytes, programs: Sequence[str] = (), timeout_seconds: float | None = None
    ) -> ValidatedCode:
        """Return the vault's answer for one code; that a code is not good is an answer too.

        Args:
            code: The digits as they were typed, 8 to 19 with spaces and hyphens between; or as bytes a sealed
                submission of one code.
            programs: The programs to ask, 1 to 8, each once; empty for the only one of the caller.
            timeout_seconds: The caller's deadline; the validator's where None.

        Raises:
            InvalidInput: The code cannot be one (``field`` is ``code.code`` or ``code.sealed``), or a program's
                name is none.
            PermissionDenied: The caller is no validator for the programs.
            Unavailable: There was no answer by the deadline, or VALIDATOR_FULL, or VALIDATOR_CLOSED.
        """
        if isinstance(programs, str):
            raise InvalidInput("programs are a list of names", reason="PROGRAMS_MALFORMED", field="programs")
        if len(set(programs)) != len(programs):
            raise InvalidInput("a program is named twice", reason="PROGRAMS_REPEATED", field="programs")
        if timeout_seconds is None:
            timeout_seconds = self._client.timeout_seconds if self._timeout_seconds is None else self._timeout_seconds
        presented, digits, size = _presented(code)
        lane = _Lane(tuple(sorted(programs)), digits)
        return await self._gatherer.ask(lane, presented, size, timeout_seconds)

    async def close(self) -> None:
        """Take no more codes, and return when those that wait are answered or their callers' time is over."""
        await self._gatherer.close()

    async def _answer(self, lane: _Lane, questions: Questions) -> None:
        """Settle every question of a group."""
        clock = asyncio.get_running_loop()
        while questions := [asked for asked in questions if not asked.gone]:
            request = BatchValidateCodesRequest(programs=lane.programs, codes=[asked.question for asked in questions])
            left = max(asked.deadline for asked in questions) - clock.time()
            try:
                answer = await self._client.call(self._client.validation.BatchValidateCodes, request, left)
            except VaultError as error:
                _refuse(questions, error)
                continue
            if len(answer.results) != len(questions):
                raise _miscounted(lane, questions)
            for asked, result in zip(questions, answer.results, strict=True):
                own = ValidatedCode()
                own.CopyFrom(result)  # the result itself would keep all its neighbours in memory
                asked.settle(own)


def _presented(code: str | bytes) -> tuple[PresentedCode, int, int]:
    """Return a code as it is sent, the number of its digits (0 if sealed) and its size in bytes.

    Raises:
        InvalidInput: It cannot be a code.
    """
    if isinstance(code, bytes):
        if not SMALLEST <= len(code) <= LARGEST:
            message = f"a sealed submission has {SMALLEST} to {LARGEST} bytes"
            raise InvalidInput(message, reason="LENGTH", field="code.sealed")
        return PresentedCode(sealed=code), 0, len(code)
    digits = normalize(code, "code.code")
    return PresentedCode(code=digits.decode()), len(digits), len(digits)


def _refuse(questions: Questions, error: VaultError) -> None:
    """Refuse the question that an error names; all of them where it names none, or is true of all."""
    found = _ITEM.match(error.field)
    if found is None or int(found[1]) >= len(questions):
        at_fault, field = questions, error.field
    else:
        at_fault = questions if error.reason in OF_ALL else [questions[int(found[1])]]
        field = "code" + error.field[found.end(1) + 1 :]
    for asked in at_fault:
        asked.refuse(copy_of(error, field=field))


def _miscounted(lane: _Lane, questions: Questions) -> VaultError:
    """Return the error for an answer that has another number of results than codes were asked."""
    if not lane.digits and len(questions) == 1:
        message = "a submission of several codes is asked about by BatchValidateCodes"
        return InvalidInput(message, reason="SEVERAL_CODES", field="code.sealed")
    return Unavailable("the vault answered for another number of codes", reason="INTERNAL")
