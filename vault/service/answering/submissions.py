"""Sealed submissions: opened, and judged for whether this caller may have this done with them here and now.

The rules, in order; the first that is broken is the cause, which is told to nobody outside:

1. The version of the sealing key that it names is there and not compromised (KEY), and opens it (DAMAGED).
2. Its audience is the caller, or one whose relay the caller is (AUDIENCE).
3. Its program is one that the request asks (PROGRAM), and its purpose the method's (PURPOSE).
4. It was sealed ``AGE_MS`` ago at most (OLD), and no further ahead of the vault's clock (FUTURE).
5. Its nonce is free, or bound to this very request (REPLAYED): ``nonces``, in the transaction that answers.

Equal work: a box is opened, or tried, whatever is wrong; so only its length and format, which everybody sees,
make a difference.

A refused submission is not spent: whoever presents somebody else's gains nothing and spoils nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from itertools import repeat
from operator import eq, or_
from typing import Final, NamedTuple, TypeAlias

from vault.codes.checkdigit import with_check_digits
from vault.crypto.sealedbox import open_box
from vault.crypto.submission import open_submission, sealing_version
from vault.errors import IntegrityFailure
from vault.formats.v1.submission_pb2 import Submission
from vault.model.states import KeyPurpose, KeyState
from vault.policy.call import Call
from vault.service.answering.validation import Asked, Lookup, seal_refusal
from vault.service.catalogue import Snapshot

AGE_MS: Final = 300_000
"""How far the time of sealing may be from now, either way, in milliseconds."""

_BOX: Final = 5
"""Where the sealed box begins: after the format and the key's version."""


class Cause(Enum):
    """Why a submission is refused."""

    KEY = auto()
    DAMAGED = auto()
    AUDIENCE = auto()
    PROGRAM = auto()
    PURPOSE = auto()
    OLD = auto()
    FUTURE = auto()
    REPLAYED = auto()

    @property
    def outcome(self) -> str:
        """The outcome in the audit log."""
        return f"SUBMISSION_{self.name}"


class Sealed(NamedTuple):
    """A sealed submission as it was received."""

    blob: bytes

    def __repr__(self) -> str:
        return f"<Sealed, {len(self.blob)} bytes>"


Presented: TypeAlias = bytes | Sealed
"""A code as it is presented: its normalized digits, or sealed."""


class Wanted(NamedTuple):
    """What a submission must be for: one of these programs, and this purpose."""

    programs: tuple[str, ...]
    purpose: Submission.Purpose.ValueType


class Opened(NamedTuple):
    """A submission as it was opened; without a ``program`` it could not be.

    ``cause`` is None if it may be taken.
    """

    cause: Cause | None
    program: str = ""
    codes: tuple[bytes, ...] = ()
    nonce: bytes = b""
    serial: str = ""
    public_key: bytes = b""

    def __repr__(self) -> str:
        return f"<Opened, {self.cause.name if self.cause else 'may be taken'}, {len(self.codes)} codes>"


def open_presented(snapshot: Snapshot, call: Call, wanted: Wanted, sealed: Sealed, now_ms: int) -> Opened:
    """Open a submission and judge it by rules 1 to 4."""
    try:
        version = sealing_version(sealed.blob)
    except IntegrityFailure:
        return _unopened(snapshot, sealed, Cause.DAMAGED)
    key = snapshot.keyring.versions(KeyPurpose.SEALING).get(version)
    if key is None or key.state == KeyState.COMPROMISED:
        return _unopened(snapshot, sealed, Cause.KEY)
    try:
        submission = open_submission(key, sealed.blob)
    except IntegrityFailure:
        return Opened(Cause.DAMAGED)
    return Opened(
        _cause(call, wanted, submission, now_ms),
        submission.program,
        tuple(map(str.encode, submission.codes)),
        submission.nonce,
        submission.serial,
        submission.public_key,
    )


def check_form(snapshot: Snapshot, program: str, code: Presented) -> None:
    """Accept a code in the form that it is presented in, if its program does.

    Raises:
        FailedPrecondition: SEAL_REQUIRED: the program takes sealed submissions only, and this is in clear.
    """
    refusal = None if isinstance(code, Sealed) else seal_refusal(snapshot, (program,), "code.code")
    if refusal is not None:
        raise refusal


def lookups_opened(programs: Sequence[Asked], codes: Sequence[bytes]) -> list[Lookup]:
    """Make the digests of sealed codes, in their order, in less time than one by one.

    Args:
        programs: Where they are looked up, all of them alike.
        codes: Their digits, 8 to 19 each. One that is as long as no code of the programs is not good; one without
            digits stands for a refused submission's, and is a code that nobody has.
    """
    nobodys = b"0" * (programs[0].length if programs else 16)
    codes = [digits or nobodys for digits in codes]
    holds = [not programs] * len(codes)
    digests: list[list[bytes]] = []
    for program in programs:
        holds = list(map(or_, holds, _check_digits_hold(codes, program)))
        digests += [digester.digest_many(codes) for digester in program.digesters]
    under = zip(*digests, strict=True) if digests else repeat((), len(codes))
    name = programs[0].program if programs else ""
    return [Lookup(each, some, name) for each, some in zip(holds, under, strict=True)]


def lookup_opened(programs: Sequence[Asked], digits: bytes) -> Lookup:
    """Make the digests of one sealed code, as ``lookups_opened`` does."""
    return lookups_opened(programs, [digits])[0]


def _check_digits_hold(codes: Sequence[bytes], program: Asked) -> list[bool]:
    fitting = [digits for digits in codes if len(digits) == program.length]
    right = map(eq, fitting, with_check_digits([digits[:-1] for digits in fitting], program.algorithm))
    return [len(digits) == program.length and next(right) for digits in codes]


def _unopened(snapshot: Snapshot, sealed: Sealed, cause: Cause) -> Opened:
    """Refuse a submission that no key opens, in the time that opening takes."""
    with suppress(IntegrityFailure):
        open_box(snapshot.keyring.active(KeyPurpose.SEALING).secret, sealed.blob[_BOX:])
    return Opened(cause)


def _cause(call: Call, wanted: Wanted, submission: Submission, now_ms: int) -> Cause | None:
    if not call.grants.presents(submission.audience):
        return Cause.AUDIENCE
    if submission.program not in wanted.programs:
        return Cause.PROGRAM
    if submission.purpose != wanted.purpose:
        return Cause.PURPOSE
    age_ms = now_ms - submission.seal_time_ms
    if age_ms > AGE_MS:
        return Cause.OLD
    return Cause.FUTURE if age_ms < -AGE_MS else None
