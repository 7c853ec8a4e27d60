"""Answering whether codes are good.

1. Calls that arrive while the last group is being answered form the next group: one look-up and one commit for
   all of them, and no waiting added. A call that comes alone is a group of one.
2. Every code is looked up under each program asked and each live index key, then two tags are checked, whatever
   is found.
3. The answer leaves only after its audit event is durable.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vault.audit.event import Event, Item
from vault.codes.format import has_check_digit
from vault.errors import InvalidInput
from vault.model.rows import CardRow, CodeRow
from vault.policy.call import Call
from vault.service.catalogue import Snapshot
from vault.service.coalesce import Coalescer
from vault.service.formats import code_format
from vault.service.judge import Found, Judgement, judge
from vault.service.recorder import Recorder, Scope, event_of
from vault.stores.protocol import Transaction


class Question(NamedTuple):
    """The codes that one call asks about; ``codes`` are normalized digits, so the call keeps it from every text."""

    call: Call
    programs: tuple[str, ...]
    codes: Sequence[bytes]
    field: str

    def __repr__(self) -> str:
        return f"<Question of {len(self.codes)} codes>"


class Lookup(NamedTuple):
    """The digests of one code, under every program asked and every live index key."""

    check_digit_holds: bool
    digests: tuple[bytes, ...]


class Validation:
    """Answers whether codes are good."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._coalescer: Coalescer[Question, list[Judgement]] = Coalescer(self._answer)

    async def validate(
        self, call: Call, programs: tuple[str, ...], codes: Sequence[bytes], field: str
    ) -> list[Judgement]:
        """Judge codes of 8 to 19 digits, in their order.

        Args:
            call: Who asks.
            programs: The 1 to 8 programs to ask, each once; one that does not exist holds no code.
            codes: The codes, normalized.
            field: Path of the codes in the request, with ``{}`` for a code's position, to name one that cannot be.

        Raises:
            InvalidInput: A code is as long as no code of the programs.
            Unavailable: The store cannot be reached.
        """
        return await self._coalescer.ask(Question(call, programs, codes, field))

    async def _answer(self, questions: Sequence[Question]) -> list[list[Judgement] | Exception]:
        return await self._recorder.store.transact(lambda tx: self._work(tx, questions))

    def _work(self, tx: Transaction, questions: Sequence[Question]) -> list[list[Judgement] | Exception]:
        scope = self._recorder.scope(tx)
        lookups = [_lookups(scope.snapshot, question) for question in questions]
        every = [lookup for found in lookups if not isinstance(found, Exception) for lookup in found]
        judged = iter(judge_all(scope, every))
        answers: list[list[Judgement] | Exception] = []
        events = []
        for question, found in zip(questions, lookups, strict=True):
            if isinstance(found, Exception):
                answers.append(found)
                continue
            judgements = [next(judged) for _ in found]
            answers.append(judgements)
            events.append(_event(question, judgements))
        self._recorder.write(scope, *events)
        return answers


def judge_all(scope: Scope, lookups: Sequence[Lookup]) -> list[Judgement]:
    """Look codes up and judge each."""
    tx, snapshot = scope.tx, scope.snapshot
    codes = tx.codes.by_digest([digest for lookup in lookups for digest in lookup.digests])
    rows = [_first(codes, lookup.digests) for lookup in lookups]
    cards = _cards(scope, rows, lookups)
    return [
        judge(
            snapshot,
            Found(lookup.check_digit_holds, row, None if row is None else cards.get((row.program, row.card_id))),
            scope.now_ms,
        )
        for lookup, row in zip(lookups, rows, strict=True)
    ]


def lookup_of(snapshot: Snapshot, programs: Iterable[str], digits: bytes, field: str) -> Lookup:
    """Make the digests of one code.

    Raises:
        InvalidInput: The code is as long as no code of the programs.
    """
    digests: list[bytes] = []
    fits = known = holds = False
    for program in programs:
        row = snapshot.programs.get(program)
        if row is None:
            continue
        known = True
        fmt = code_format(row)
        if fmt.length == len(digits):
            fits = True
            holds = holds or has_check_digit(digits, fmt.check_algorithm)
        digests.extend(digester.digest(digits) for digester in snapshot.keyring.digesters(program))
    if known and not fits:
        raise InvalidInput("the code has not the length of the program's codes", reason="CODE_LENGTH", field=field)
    return Lookup(holds, tuple(digests))


def _lookups(snapshot: Snapshot, question: Question) -> list[Lookup] | Exception:
    try:
        return [
            lookup_of(snapshot, question.programs, digits, question.field.format(place))
            for place, digits in enumerate(question.codes)
        ]
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
            wanted.setdefault(next(iter(scope.snapshot.programs)), set()).add(lookup.digests[0][:16])
    return {
        (program, card_id): card
        for program, ids in wanted.items()
        for card_id, card in scope.tx.cards.get(program, ids).items()
    }


def _event(question: Question, judgements: Sequence[Judgement]) -> Event:
    programs = question.programs
    items = [
        Item(b"" if judgement.card is None else judgement.card.card_id, judgement.detail.name)
        for judgement in judgements
    ]
    return event_of(question.call, program=programs[0] if len(programs) == 1 else "")._replace(items=items)
