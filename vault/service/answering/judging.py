"""Opening and judging the codes of inquiries, before the transaction that answers them.

1. Each submission is opened once, and of the codes in clear and sealed many are looked up at a time; others get
   the event loop every few milliseconds.
2. For a refused submission a code that nobody has is looked up, under one program as for one that is taken.
3. A sealed code that is as long as no code of its program is not good; in clear it is an error of its inquiry
   alone.

Opening a thousand submissions in two threads was tried (2026-11-23): libsodium lets go of Python's lock, but the rest
of an opening is as long as its share, so it was no faster for a quarter more of processor time.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple, TypeAlias

from vault.errors import InvalidInput
from vault.formats.v1.submission_pb2 import Submission
from vault.service.answering.inquiry import Inquiry, Judged, Part
from vault.service.answering.judge import Judgement
from vault.service.answering.submissions import Opened, Sealed, Wanted, lookups_opened, open_presented
from vault.service.answering.validation import SLICE, Asked, Lookup, asked_of, judge_all, lookup_of
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder
from vault.stores.protocol import Transaction

OPENED_BYTES: Final = 64 * 1024
"""Bytes of submissions opened at a time, about 5 ms of work."""


class _Lot(NamedTuple):
    """Codes to look up in the same programs: one in clear with its ``field``, or a submission's without.

    A code without digits is a stand-in.
    """

    programs: tuple[str, ...]
    codes: Sequence[bytes] = (b"",)
    field: str = ""

    def __repr__(self) -> str:
        return f"<Lot of {len(self.codes)} codes in {len(self.programs)} programs>"


class _Slice(NamedTuple):
    """Codes to look up at a time, with the programs and the field of each as its lot has them."""

    programs: Sequence[tuple[str, ...]]
    codes: Sequence[bytes]
    fields: Sequence[str]

    def __repr__(self) -> str:
        return f"<Slice of {len(self.codes)} codes>"


_Plan: TypeAlias = list[tuple[Opened | None, _Lot]]
"""Of each code of an inquiry, or its one submission, how it was opened and what to look up."""


async def judge_inquiries(recorder: Recorder, inquiries: Sequence[Inquiry]) -> tuple[int, list[Judged]]:
    """Open and judge every code, and return the oldest catalogue number by which that was done.

    Raises:
        Unavailable: The store cannot be reached.
    """
    snapshot = recorder.catalogue.latest  # one that is out of date is found out by the transaction
    if snapshot is None:
        snapshot = await recorder.store.read(recorder.catalogue.at)
    opened = iter(await _open(snapshot, recorder.clock_ms(), inquiries))
    plans = [_plan(inquiry, opened) for inquiry in inquiries]
    lots = [lot for plan in plans if isinstance(plan, list) for _, lot in plan]
    number, found = await _look_up(recorder, lots)
    results = iter(found)
    judged = [_judged(inquiry, plan, results) for inquiry, plan in zip(inquiries, plans, strict=True)]
    return min(number, snapshot.number), judged


async def _open(snapshot: Snapshot, now_ms: int, inquiries: Sequence[Inquiry]) -> list[Opened]:
    """Open every submission, in the order of the inquiries and of their codes.

    No more of their codes is kept than is looked at: 1,000 submissions may hold a million.
    """
    opened: list[Opened] = []
    size = 0
    for inquiry in inquiries:
        wanted = Wanted(inquiry.programs, Submission.PURPOSE_VALIDATE)
        for code in inquiry.codes:
            if isinstance(code, Sealed):
                submission = open_presented(snapshot, inquiry.call, wanted, code, now_ms)
                most = 0 if submission.cause else len(submission.codes) if _alone(inquiry) else 2
                if len(submission.codes) > most:
                    submission = submission._replace(codes=submission.codes[:most])
                opened.append(submission)
                size += len(code.blob)
                if size >= OPENED_BYTES:
                    size = 0
                    await asyncio.sleep(0)
    return opened


def _alone(inquiry: Inquiry) -> bool:
    """Return whether a submission of several codes is taken."""
    return inquiry.several and len(inquiry.codes) == 1


def _plan(inquiry: Inquiry, opened: Iterator[Opened]) -> _Plan | InvalidInput:
    """Say what has to be looked up for an inquiry, whose submissions come next among those opened."""
    plan: _Plan = []
    problem = None
    for place, code in enumerate(inquiry.codes):
        field = inquiry.field.format(place)
        if not isinstance(code, Sealed):
            plan.append((None, _Lot(inquiry.programs, (code,), f"{field}.code")))
            continue
        submission = next(opened)
        if submission.cause is not None:
            plan.append((submission, _Lot(inquiry.programs[:1])))
            continue
        if len(submission.codes) > 1 and not _alone(inquiry):
            message = "a submission of several codes is taken by BatchValidateCodes alone, as its only one"
            problem = problem or InvalidInput(message, reason="SUBMISSION_ALONE", field=f"{field}.sealed")
        plan.append((submission, _Lot((submission.program,), submission.codes)))
    return problem or plan


async def _look_up(recorder: Recorder, lots: Sequence[_Lot]) -> tuple[int, list[Judgement | InvalidInput]]:
    """Judge every code, in slices, and return the catalogue number of the first slice with the judgements."""
    judged: list[Judgement | InvalidInput] = []
    numbers: list[int] = []
    for some in _slices(lots):
        if numbers:
            await asyncio.sleep(0)
        number, answers = await recorder.store.look(partial(_look, recorder, some))
        numbers.append(number)
        judged += answers
    return min(numbers), judged


def _slices(lots: Sequence[_Lot]) -> Iterator[_Slice]:
    """Yield the codes of lots, ``SLICE`` at a time; once at least."""
    programs = [lot.programs for lot in lots for _ in lot.codes]
    codes = [digits for lot in lots for digits in lot.codes]
    fields = [lot.field for lot in lots for _ in lot.codes]
    for start in range(0, max(len(codes), 1), SLICE):
        part = slice(start, start + SLICE)
        yield _Slice(programs[part], codes[part], fields[part])


def _look(recorder: Recorder, some: _Slice, tx: Transaction) -> tuple[int, list[Judgement | InvalidInput]]:
    scope = recorder.scope(tx)
    known = {programs: asked_of(scope.snapshot, programs) for programs in set(some.programs)}
    lookups: list[Lookup | InvalidInput | None] = [
        _lookup(known[programs], digits, field) if field else None
        for programs, digits, field in zip(*some, strict=True)
    ]
    for programs, asked in known.items():
        places = [place for place, each in enumerate(lookups) if each is None and some.programs[place] == programs]
        for place, lookup in zip(places, lookups_opened(asked, [some.codes[place] for place in places]), strict=True):
            lookups[place] = lookup
    judged = iter(judge_all(scope, [each for each in lookups if isinstance(each, Lookup)]))
    answers = [each if isinstance(each, InvalidInput) else next(judged) for each in lookups]
    return scope.snapshot.number, answers


def _lookup(programs: Sequence[Asked], digits: bytes, field: str) -> Lookup | InvalidInput:
    try:
        return lookup_of(programs, digits, field)
    except InvalidInput as error:
        return error


def _judged(inquiry: Inquiry, plan: _Plan | InvalidInput, results: Iterator[Judgement | InvalidInput]) -> Judged:
    if isinstance(plan, InvalidInput):
        return Judged(inquiry, (), plan)
    parts: list[Part] = []
    problem = None
    for opened, lot in plan:
        mine = list(islice(results, len(lot.codes)))
        if lot.field:
            problem = problem or next((each for each in mine if isinstance(each, InvalidInput)), None)
        parts.append(Part(opened, [each for each in mine if isinstance(each, Judgement)]))
    return Judged(inquiry, parts, problem)
