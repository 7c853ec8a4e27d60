"""Giving cards new codes: the code and serial are others, the generation is one higher, and nothing else moves.

1. ``prepare`` does all that takes time, from cards as they were read; ``write`` writes only what still fits.
2. The code before and its serial stay for ever: superseded, never issued again, recognised when they are used.
3. A card keeps its id, state, usage, reference, expiry and record. How many codes are good stays the same, and
   so do the guess odds.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vault.errors import Unavailable
from vault.model.rows import CardRow
from vault.model.shape import SHAPES
from vault.service.catalogue import Snapshot
from vault.service.issuing.newcode import CodeMaker, NewCode, Wanted, check_fresh
from vault.service.recorder import Scope

WRAPS_PER_CARD = 2
"""One for the code; what is left over serves codes that must be made again."""

_RENEWED = ("generation", "revision", "tag")
"""What a new code changes in its card's row."""


class Replacement(NamedTuple):
    """A card before and after, and its new code in hand."""

    before: CardRow
    after: CardRow
    new: NewCode


class PreparedCodes(NamedTuple):
    """New codes for cards, not written yet, and the snapshot they were made from."""

    snapshot: Snapshot
    program: str
    replacements: list[Replacement]


class Reissuer:
    """Gives cards new codes."""

    def __init__(self, maker: CodeMaker) -> None:
        self._maker = maker

    def prepare(self, snapshot: Snapshot, program: str, cards: Sequence[CardRow]) -> PreparedCodes:
        """Make a new code for each card; their rows must have been verified.

        Raises:
            NotFound: There is no such program.
            Unavailable: The encryption budget, ``WRAPS_PER_CARD`` for each, is not reserved.
        """
        codes = self._maker.make(snapshot, program, [Wanted(card.card_id, card.generation + 1) for card in cards])
        afters = snapshot.tagger.tag_many(SHAPES["card"], map(_renewed, cards))
        return PreparedCodes(snapshot, program, list(map(Replacement, cards, afters, codes)))

    def write(self, scope: Scope, prepared: PreparedCodes, cards: Mapping[bytes, CardRow]) -> list[Replacement]:
        """Write new codes for those cards that are given, and return what was written, in the prepared order.

        Args:
            scope: Where to write.
            prepared: What ``prepare`` returned.
            cards: The cards as this transaction reads them; those that are left out get no code.

        Raises:
            Unavailable: Keys or programs have changed since they were prepared, or a card has got another code.
            IntegrityFailure: The row of a card that has changed is not what the vault wrote.
        """
        check_fresh(scope, prepared.snapshot)
        wanted = [each for each in prepared.replacements if each.before.card_id in cards]
        fitting = [_fit(scope, each, cards[each.before.card_id]) for each in wanted]
        codes = self._maker.claim(scope, prepared.program, [each.new for each in fitting])
        written = [each._replace(new=new) for each, new in zip(fitting, codes, strict=True)]
        ordered = sorted(written, key=lambda each: each.after.card_id)
        befores = [each.before for each in ordered]
        afters = [tuple(getattr(each.after, name) for name in _RENEWED) for each in ordered]
        if scope.tx.moves.swap(SHAPES["card"], _RENEWED, befores, afters) != len(ordered):
            raise Unavailable("a card has changed meanwhile", reason="STALE", retry_seconds=0.0)
        return written


def _fit(scope: Scope, replacement: Replacement, card: CardRow) -> Replacement:
    """Make a replacement fit a card as it is now; its code is bound to the card's id and generation alone."""
    if card == replacement.before:
        return replacement
    scope.snapshot.tagger.verify(SHAPES["card"], card)
    if card.generation != replacement.before.generation:
        raise Unavailable("the card has a new code meanwhile", reason="STALE", retry_seconds=0.0)
    after = scope.snapshot.tagger.tagged(SHAPES["card"], _renewed(card))
    return replacement._replace(before=card, after=after)


def _renewed(card: CardRow) -> CardRow:
    return card._replace(generation=card.generation + 1, revision=card.revision + 1)
