"""The transaction that answers inquiries: takes their submissions, keeps their results and writes their events.

1. A principal that is blocked, and a code in clear where only sealed ones are taken, are refused before
   anything else is looked at.
2. A request with a sealed code that was answered before is answered from what was kept of it, whatever its
   submission is worth by now.
3. Everything else takes its submissions first; what could not be taken is refused, whatever its code is worth.
4. Nothing is taken for an inquiry that gets an error, save where the row of a nonce is not what the vault
   wrote.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from vault.audit.event import Event
from vault.errors import AlreadyExists, IntegrityFailure, PermissionDenied, VaultError
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.rows import RequestRow
from vault.model.shape import SHAPES
from vault.model.states import Detail
from vault.policy.call import Call
from vault.service.answering.inquiry import REFUSED, Answer, Inquiry, Judged, event_about, keep, kept_answer
from vault.service.answering.judge import Judgement
from vault.service.answering.nonces import Taking, take
from vault.service.answering.receipts import new_terms
from vault.service.answering.submissions import Cause, Sealed
from vault.service.answering.validation import seal_refusal
from vault.service.catalogue import Snapshot
from vault.service.recorder import Recorder, Scope, kept_result, request_rows
from vault.stores.protocol import Transaction

_Name = tuple[str, bytes]
_Taken = Iterator[Cause | IntegrityFailure | None]


class Settling:
    """Answers groups of inquiries that were judged."""

    def __init__(self, recorder: Recorder, random: Callable[[int], bytes], receipt_seconds: int) -> None:
        self._recorder = recorder
        self._random = random
        self._receipt_seconds: Final = receipt_seconds

    def settle(self, number: int, group: Sequence[Judged], tx: Transaction) -> list[Answer | VaultError] | None:
        """Answer each of a group; None if the catalogue is not the one any more by which they were judged."""
        scope = self._recorder.scope(tx)
        if scope.snapshot.number != number:
            return None
        answers: list[Answer | VaultError | None] = [_refusal(scope.snapshot, each.inquiry) for each in group]
        names = [None if answer else _name(each.inquiry) for each, answer in zip(group, answers, strict=True)]
        kept = _kept_rows(scope, filter(None, names))
        for place, each in enumerate(group):
            if answers[place] is None and names[place] not in kept:
                answers[place] = each.problem
        unanswered = (place for place, answer in enumerate(answers) if answer is None and names[place] not in kept)
        new = list(_first_of(names, unanswered))
        taken = iter(take(scope, [taking for place in new for taking in _takings(group[place])], self._random))
        answered: list[tuple[Call, bytes, RequestResult]] = []
        events: list[Event] = []
        for place in new:
            inquiry, name = group[place].inquiry, names[place]
            answer = answers[place] = self._answer(scope, group[place], taken)
            if isinstance(answer, Answer):
                events.append(event_about(inquiry, answer))
                if name is not None:
                    answered.append((inquiry.call, name[1], keep(inquiry, answer)))
        rows = scope.snapshot.tagger.tag_many(SHAPES["request"], request_rows(scope, answered))
        tx.requests.insert_all(rows)
        kept.update(((row.principal, row.request_id), row) for row in rows)
        for place, each in enumerate(group):
            if answers[place] is None:
                again = answers[place] = _again(scope.snapshot, each.inquiry, kept.get(names[place]))
                if isinstance(again, Answer):
                    events.append(event_about(each.inquiry, again))
        self._recorder.write(scope, *events)
        return [answer for answer in answers if answer is not None]

    def _answer(self, scope: Scope, judged: Judged, taken: _Taken) -> Answer | VaultError:
        """Answer what was not answered before; of what was taken, its submissions are next."""
        judgements: list[Judgement] = []
        causes: dict[int, Cause] = {}
        failure = None
        for place, part in enumerate(judged.parts):
            cause = None if part.opened is None else next(taken)
            if isinstance(cause, IntegrityFailure):
                cause.field = f"{judged.inquiry.field.format(place)}.sealed"
                failure = failure or cause
            elif cause is not None:
                causes[len(judgements)] = cause
                judgements.append(REFUSED)
            else:
                judgements += part.judgements
        if failure is not None:
            return failure
        inquiry, terms = judged.inquiry, None
        if inquiry.wish is not None and (inquiry.several or judgements[0].detail == Detail.GOOD):
            terms = new_terms(scope.snapshot, scope.now_ms, self._receipt_seconds, self._random)
        return Answer(judgements, causes, terms)


def _name(inquiry: Inquiry) -> _Name | None:
    """Return by what a request is known again; None where no code is sealed, so that nothing is kept of it."""
    request_id = inquiry.call.request_id
    if request_id is None or not any(isinstance(code, Sealed) for code in inquiry.codes):
        return None
    return inquiry.call.principal, request_id


def _refusal(snapshot: Snapshot, inquiry: Inquiry) -> VaultError | None:
    try:
        snapshot.check_principal(inquiry.call.principal, *inquiry.programs)
    except PermissionDenied as refusal:
        return refusal
    clear = next((place for place, code in enumerate(inquiry.codes) if not isinstance(code, Sealed)), None)
    field = "" if clear is None else f"{inquiry.field.format(clear)}.code"
    return seal_refusal(snapshot, inquiry.programs, field) if field else None


def _kept_rows(scope: Scope, names: Iterable[_Name]) -> dict[_Name | None, RequestRow]:
    """Find the requests that were answered before."""
    wanted: dict[str, set[bytes]] = {}
    for principal, request_id in names:
        wanted.setdefault(principal, set()).add(request_id)
    return {
        (principal, request_id): row
        for principal, ids in wanted.items()
        for request_id, row in scope.tx.requests.among(principal, ids).items()
    }


def _first_of(names: Sequence[_Name | None], places: Iterable[int]) -> Iterator[int]:
    """Yield the places, of those with the same name the first alone."""
    seen: set[_Name] = set()
    for place in places:
        name = names[place]
        if name is None or name not in seen:
            yield place
        if name is not None:
            seen.add(name)


def _takings(judged: Judged) -> Iterator[Taking]:
    call = judged.inquiry.call
    return (Taking(call, call.request_id or b"", part.opened) for part in judged.parts if part.opened is not None)


def _again(snapshot: Snapshot, inquiry: Inquiry, row: RequestRow | None) -> Answer | VaultError:
    """Answer a request that was answered before, or has just been."""
    if row is None:
        return IntegrityFailure("the same request has just failed its integrity check", reason="ROW_TAG")
    try:
        return kept_answer(snapshot, inquiry, kept_result(snapshot, inquiry.call, row))
    except (AlreadyExists, IntegrityFailure) as error:
        return error
