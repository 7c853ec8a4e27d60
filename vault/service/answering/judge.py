"""Whether a code is good: pure, given the rows that were found.

The rules, in order:

1. A code counts only if its row's tag holds, its card's tag holds, and its generation is the card's.
2. Its program runs.
3. Its card is not on hold, be it frozen by an incident or contested.
4. Its card is active and has not expired.

Equal work: where no row was found, a decoy of the same shape, with a tag that holds, is checked in its place,
so that codes that are unknown, superseded, frozen, inactive or good all cost the same look-ups, the same MACs
and the same search through holds.
"""

from collections.abc import Mapping
from typing import NamedTuple

from vault import log
from vault.errors import IntegrityFailure
from vault.model.rows import CardRow, CodeRow, ProgramRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Detail, ProgramState
from vault.service.catalogue import Snapshot
from vault.service.rules import expired

_log = log.get(__name__)

BY_STATE: Mapping[int, Detail] = {
    CardState.INACTIVE: Detail.INACTIVE,
    CardState.ACTIVE: Detail.GOOD,
    CardState.SUSPENDED: Detail.SUSPENDED,
    CardState.CLOSED: Detail.CLOSED,
    CardState.REDEEMED: Detail.REDEEMED,
}
"""What a card's state makes of its code."""


class Judgement(NamedTuple):
    """The answer for one code; ``card`` is None where none was found or its rows are not to be trusted.

    ``generation`` is the code's, 0 without a card.
    """

    detail: Detail
    card: CardRow | None = None
    generation: int = 0


class Found(NamedTuple):
    """What was found for one code; ``program`` is one that was asked, for where nothing was found."""

    check_digit_holds: bool
    code: CodeRow | None
    card: CardRow | None
    program: str = ""


_CODE, _CARD = SHAPES["code"], SHAPES["card"]


def judge(snapshot: Snapshot, found: Found, now_ms: int) -> Judgement:
    """Judge one code."""
    code, card, decoys = found.code, found.card, snapshot.decoys
    present = decoys.card if card is None else card
    intact = _holds(snapshot, decoys.code if code is None else code, present)
    program = found.program if card is None else card.program
    on_hold = snapshot.holds.cover(program, present.card_id, present.batch_id)
    if code is None:
        return Judgement(Detail.UNKNOWN if found.check_digit_holds else Detail.CHECK_DIGIT)
    if card is None:
        _log.error("card_missing", problem=f"code row of card {code.card_id.hex()} has no card")
        return Judgement(Detail.INTEGRITY)
    if not intact:
        return Judgement(Detail.INTEGRITY)
    if code.generation != card.generation:
        return Judgement(Detail.SUPERSEDED, card, code.generation)
    detail = _of_card(snapshot.programs[card.program], card, now_ms, on_hold=on_hold)
    return Judgement(detail, card, code.generation)


def _of_card(program: ProgramRow, card: CardRow, now_ms: int, *, on_hold: bool) -> Detail:
    if program.state != ProgramState.ACTIVE:
        return Detail.PROGRAM_STOPPED
    if on_hold:
        return Detail.FROZEN
    detail = BY_STATE[card.state]
    return Detail.EXPIRED if detail is Detail.GOOD and expired(card, now_ms) else detail


def _holds(snapshot: Snapshot, code: CodeRow, card: CardRow) -> bool:
    """Check both tags, the second one even where the first fails."""
    holds = True
    for shape, row in ((_CODE, code), (_CARD, card)):
        try:
            snapshot.tagger.verify(shape, row)
        except IntegrityFailure as error:
            _log.error("row_refused", problem=error.message)
            holds = False
    return holds
