"""Answering whether codes are good.

1. Calls that arrive while the last group is being answered form the next group: one look-up and one commit for
   all of them, and no waiting added. A call that comes alone is a group of one.
2. Codes are judged on a snapshot; the transaction that records the answers then makes sure that the catalogue
   is still that one, or they are judged again. So a stop or a freeze that was answered holds for every later
   answer, and the lock of writers is held for the events alone.
3. A principal that is blocked in that transaction is refused, alone of its group.
4. Every code is looked up under each program asked and each live index key, then two tags are checked and the
   holds of one program searched, whatever is found.
5. The answer leaves only after its audit event is durable.
6. Superseded codes are counted in memory once their answer is durable, and keep nobody waiting.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeAlias

from vault.audit.event import Event, Item
from vault.codes.format import has_check_digit
from vault.crypto.digest import Digester
from vault.errors import FailedPrecondition, InvalidInput, PermissionDenied, Unavailable
from vault.model.rows import CardRow, CodeRow
from vault.model.states import CheckAlgorithm, Detail
from vault.policy.call import Call
from vault.service.answering.coalesce import Coalescer
from vault.service.answering.judge import Found, Judgement, judge_many
from vault.service.answering.superseded import SupersededUses
from vault.service.answering.verdicts import Verdicts
from vault.service.catalogue import Snapshot
from vault.service.formats import code_format
from vault.service.recorder import Recorder, Scope, event_of
from vault.stores.protocol import Transaction

ATTEMPTS = 8
"""How often a group is judged again because the catalogue changed meanwhile."""

SLICE = 250
"""Codes judged at a time, about 5 ms of work."""


_NAMES = {detail: detail.name for detail in Detail}


class Question(NamedTuple):
    """The codes that one call asks about; ``codes`` are normalized digits, so the call keeps it from every text."""

    call: Call
    programs: tuple[str, ...]
    codes: Sequence[bytes]
    field: str

    def __repr__(self) -> str:
        return f"<Question of {len(self.codes)} codes>"


class Lookup(NamedTuple):
    """The digests of one code, under each program asked and live index key; ``program`` is the first asked."""

    check_digit_holds: bool
    digests: tuple[bytes, ...]
    program: str = ""

    def __repr__(self) -> str:
        return f"<Lookup under {len(self.digests)} keys>"


Answer: TypeAlias = list[Judgement] | Exception
"""The judgements of one question, or why it gets none."""


class Validation:
    """Answers whether codes are good."""

    def __init__(self, recorder: Recorder, superseded: SupersededUses | None = None) -> None:
        """Tell ``superseded`` of the superseded codes that are tried."""
        self._recorder = recorder
        self._superseded = superseded
        self._verdicts = Verdicts()
        self._coalescer: Coalescer[Question, list[Judgement]] = Coalescer(self._answer)

    async def validate(
        self, call: Call, programs: tuple[str, ...], codes: Sequence[bytes], field: str
    ) -> list[Judgement]:
        """Judge codes of 8 to 19 digits, in their order.

        Args:
            call: Who asks.
            programs: The 1 to 8 programs to ask, each once; one that does not exist holds no code.
            codes: The codes, normalized.
            field: Path of the codes in the request, with ``{}`` for a code's position, to name one that cannot
                be.

        Raises:
            InvalidInput: A code is as long as no code of the programs.
            PermissionDenied: The principal is blocked, for one of the programs or for all.
            FailedPrecondition: SEAL_REQUIRED: one of the programs takes sealed submissions only.
            Unavailable: The store cannot be reached.
        """
        judgements = await self._coalescer.ask(Question(call, programs, codes, field))
        self._verdicts.tell(judgements)
        if self._superseded is not None:
            self._superseded.note(judgements)
        return judgements

    async def _answer(self, questions: Sequence[Question]) -> list[Answer]:
        for _ in range(ATTEMPTS):
            number, answers = await self._judge(questions)
            writing = self._recorder.store.transact(partial(self._record, number, questions, answers))
            recorded = await self._recorder.lag.measured(writing)
            if recorded is not None:
                return recorded
        raise Unavailable("programs, keys or holds keep changing; try again", reason="STALE", retry_seconds=1.0)

    async def _judge(self, questions: Sequence[Question]) -> tuple[int, list[Answer]]:
        """Judge every code, in slices, and return the catalogue number of the first slice with the answers."""
        asked = [(question, place) for question in questions for place in range(len(question.codes))]
        judged: list[Judgement | InvalidInput] = []
        numbers: list[int] = []
        for start in range(0, len(asked), SLICE):
            if start:
                await asyncio.sleep(0)  # let others have the event loop
            number, some = await self._recorder.store.look(partial(self._look, asked[start : start + SLICE]))
            numbers.append(number)
            judged += some
        answers: list[Answer] = []
        found = iter(judged)
        for question in questions:
            mine = list(islice(found, len(question.codes)))
            wrong = next((answer for answer in mine if isinstance(answer, InvalidInput)), None)
            answers.append([each for each in mine if isinstance(each, Judgement)] if wrong is None else wrong)
        return min(numbers), answers

    def _look(
        self, asked: Sequence[tuple[Question, int]], tx: Transaction
    ) -> tuple[int, list[Judgement | InvalidInput]]:
        scope = self._recorder.scope(tx)
        known = {
            programs: asked_of(scope.snapshot, programs) for programs in {question.programs for question, _ in asked}
        }
        lookups = [_lookup(known[question.programs], question, place) for question, place in asked]
        judged = iter(judge_all(scope, [each for each in lookups if isinstance(each, Lookup)]))
        return scope.snapshot.number, [next(judged) if isinstance(each, Lookup) else each for each in lookups]

    def _record(
        self, number: int, questions: Sequence[Question], answers: Sequence[Answer], tx: Transaction
    ) -> list[Answer] | None:
        """Write the events and return the answers; None if the catalogue has changed since they were judged."""
        scope = self._recorder.scope(tx)
        if scope.snapshot.number != number:
            return None
        allowed = [
            _allowed(scope.snapshot, question) or answer for question, answer in zip(questions, answers, strict=True)
        ]
        events = [
            _event(question, answer)
            for question, answer in zip(questions, allowed, strict=True)
            if isinstance(answer, list)
        ]
        self._recorder.write(scope, *events)
        return allowed


def _allowed(snapshot: Snapshot, question: Question) -> PermissionDenied | FailedPrecondition | None:
    """Return the refusal of a question whose principal is blocked, or that is in clear where that is not taken."""
    try:
        snapshot.check_principal(question.call.principal, *question.programs)
    except PermissionDenied as refusal:
        return refusal
    return seal_refusal(snapshot, question.programs, question.field.format(0))


def seal_refusal(snapshot: Snapshot, programs: Iterable[str], field: str) -> FailedPrecondition | None:
    """Return the refusal of a code in clear, whatever it is, if one of the programs takes sealed submissions only."""
    for program in programs:
        row = snapshot.programs.get(program)
        if row is not None and row.seal_required:
            message = f"program {program!r} takes sealed submissions only"
            return FailedPrecondition(message, reason="SEAL_REQUIRED", field=field)
    return None


def judge_all(scope: Scope, lookups: Sequence[Lookup]) -> list[Judgement]:
    """Look codes up and judge each."""
    tx, snapshot = scope.tx, scope.snapshot
    codes = tx.codes.by_digest([digest for lookup in lookups for digest in lookup.digests])
    rows = [_first(codes, lookup.digests) for lookup in lookups]
    cards = _cards(scope, rows, lookups)
    found = [
        Found(
            lookup.check_digit_holds,
            row,
            None if row is None else cards.get((row.program, row.card_id)),
            lookup.program,
        )
        for lookup, row in zip(lookups, rows, strict=True)
    ]
    return judge_many(snapshot, found, scope.now_ms)


class Asked(NamedTuple):
    """What has to be known of a program to look a code up in it."""

    program: str
    length: int
    algorithm: CheckAlgorithm
    digesters: tuple[Digester, ...]


def asked_of(snapshot: Snapshot, programs: Iterable[str]) -> list[Asked]:
    """Return what has to be known of programs; one that does not exist holds no code."""
    known = []
    for program in programs:
        row = snapshot.programs.get(program)
        if row is not None:
            fmt = code_format(row)
            known.append(Asked(program, fmt.length, fmt.check_algorithm, snapshot.keyring.digesters(program)))
    return known


def lookup_of(programs: Sequence[Asked], digits: bytes, field: str) -> Lookup:
    """Make the digests of one code.

    Raises:
        InvalidInput: The code is as long as no code of the programs.
    """
    digests: list[bytes] = []
    fits = holds = not programs
    for program in programs:
        if program.length == len(digits):
            fits = True
            holds = holds or has_check_digit(digits, program.algorithm)
        digests += [digester.digest(digits) for digester in program.digesters]
    if not fits:
        raise InvalidInput("the code has not the length of the program's codes", reason="CODE_LENGTH", field=field)
    return Lookup(holds, tuple(digests), programs[0].program if programs else "")


def _lookup(programs: Sequence[Asked], question: Question, place: int) -> Lookup | InvalidInput:
    try:
        return lookup_of(programs, question.codes[place], question.field.format(place))
    except InvalidInput as error:
        return error


def _first(codes: dict[bytes, CodeRow], digests: Iterable[bytes]) -> CodeRow | None:
    found = None
    for digest in digests:
        row = codes.get(digest)
        found = row if found is None else found
    return found


def _cards(scope: Scope, rows: Sequence[CodeRow | None], lookups: Sequence[Lookup]) -> dict[tuple[str, bytes], CardRow]:
    """Look up the card of each code; for a code that was not found, a card id that nobody has."""
    wanted: dict[str, set[bytes]] = {}
    for row, lookup in zip(rows, lookups, strict=True):
        if row is not None:
            wanted.setdefault(row.program, set()).add(row.card_id)
        elif lookup.digests:
            wanted.setdefault(lookup.program, set()).add(lookup.digests[0][:16])
    return {
        (program, card_id): card
        for program, ids in wanted.items()
        for card_id, card in scope.tx.cards.get(program, ids).items()
    }


def _event(question: Question, judgements: Sequence[Judgement]) -> Event:
    programs = question.programs
    items = [
        Item(b"" if judgement.card is None else judgement.card.card_id, _NAMES[judgement.detail])
        for judgement in judgements
    ]
    return event_of(question.call, program=programs[0] if len(programs) == 1 else "", items=items)
