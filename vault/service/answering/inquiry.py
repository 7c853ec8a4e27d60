"""What is asked about codes, and what is answered: as it is told, recorded, and kept for a retry.

What is kept holds ids and outcomes, never a code or a receipt: the same receipt is signed again.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from vault.audit.event import Event, Item
from vault.errors import InvalidInput
from vault.formats.v1.request_result_pb2 import RequestResult
from vault.model.states import Detail
from vault.policy.call import Call
from vault.service.answering.judge import Judgement
from vault.service.answering.receipts import Terms, Wish, kept_terms
from vault.service.answering.submissions import Cause, Opened, Presented
from vault.service.catalogue import Snapshot
from vault.service.recorder import RETRIED, event_of

REFUSED: Final = Judgement(Detail.SUBMISSION)
"""The one judgement of every submission that was not taken."""

_NAMES: Final = {detail: detail.name for detail in Detail}


class Inquiry(NamedTuple):
    """What one call asks.

    Fields:
        call: Who asks; with a request id if a code is sealed.
        programs: The 1 to 8 programs to ask, each once.
        codes: As they are presented.
        field: Path of the codes in the request, with ``{}`` for a code's position.
        wish: The receipt that is asked for.
        several: Whether there may be any number of codes; the receipt is over all of them then.
    """

    call: Call
    programs: tuple[str, ...]
    codes: Sequence[Presented]
    field: str
    wish: Wish | None = None
    several: bool = False

    def __repr__(self) -> str:
        return f"<Inquiry about {len(self.codes)} codes>"


class Part(NamedTuple):
    """One code, or the submission of several: how it was opened (None: it is in clear), and its judgements."""

    opened: Opened | None
    judgements: Sequence[Judgement]


class Judged(NamedTuple):
    """An inquiry and what was found for it, or what is wrong with it."""

    inquiry: Inquiry
    parts: Sequence[Part]
    problem: InvalidInput | None = None


class Answer(NamedTuple):
    """What is answered to an inquiry.

    Fields:
        judgements: Of each code, or ``REFUSED`` in place of a submission's.
        causes: Why submissions were refused, by their places among the judgements; of a retry not known any
            more.
        terms: Of the receipt; None where there is none.
        retried: Whether it was answered before.
    """

    judgements: Sequence[Judgement]
    causes: Mapping[int, Cause]
    terms: Terms | None
    retried: bool = False


def event_about(inquiry: Inquiry, answer: Answer) -> Event:
    """Return the event of an answer; its subject is the receipt, if one is made."""
    programs, causes, terms = inquiry.programs, answer.causes, answer.terms
    items = [
        Item(
            b"" if judgement.card is None else judgement.card.card_id,
            causes[place].outcome if place in causes else _NAMES[judgement.detail],
        )
        for place, judgement in enumerate(answer.judgements)
    ]
    return event_of(
        inquiry.call,
        program=programs[0] if len(programs) == 1 else "",
        reason=RETRIED if answer.retried else "",
        items=items,
        subject="" if terms is None else terms.subject,
    )


def keep(inquiry: Inquiry, answer: Answer) -> RequestResult:
    """Return what is kept of an answer."""
    kept = RequestResult()
    add = kept.items.add
    for detail, card, generation in answer.judgements:
        if card is None:
            add(outcome=detail)
        else:
            add(
                card_id=card.card_id,
                outcome=detail,
                generation=generation,
                place=inquiry.programs.index(card.program),
                usage=card.usage,
                expires_ms=card.expires_ms or 0,
            )
    if answer.terms is not None:
        answer.terms.keep(kept)
    return kept


def kept_answer(snapshot: Snapshot, inquiry: Inquiry, kept: RequestResult) -> Answer:
    """Return an answer again; its cards hold no more than is told of them."""
    nobody = snapshot.decoys.card
    judgements = [
        Judgement(
            Detail(item.outcome),
            nobody._replace(
                program=inquiry.programs[item.place],
                card_id=item.card_id,
                usage=item.usage,  # type: ignore[arg-type]  # a plain int, as from a store
                expires_ms=item.expires_ms or None,
            )
            if item.card_id
            else None,
            item.generation,
        )
        for item in kept.items
    ]
    return Answer(judgements, {}, kept_terms(snapshot, kept) if kept.numbers else None, retried=True)
