"""Making cards: first everything that takes time, outside every lock; then the rows.

1. ``prepare`` draws codes, serials and card ids, encrypts and tags; it reads nothing and writes nothing.
2. ``claim`` writes the rows; how their codes come to be unique stands in ``newcode``.
3. ``claim`` refuses what was prepared from another snapshot than its transaction sees, so nothing is written
   under a key that was replaced meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.codes.code import Code
from vault.crypto.envelope import Place, seal_many
from vault.model.rows import CardRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Usage
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.issuing.newcode import CodeMaker, NewCode, Wanted, check_fresh
from vault.service.recorder import Scope

Random = Callable[[int], bytes]


class CardPlan(NamedTuple):
    """What one card to be issued is given."""

    reference: str = ""
    payload: bytes | None = None
    expires_ms: int | None = None
    batch_id: bytes | None = None
    batch_position: int | None = None
    state: CardState = CardState.INACTIVE

    def __repr__(self) -> str:
        return f"<CardPlan at {self.batch_position}, {CardState(self.state).name}>"


class NewCard(NamedTuple):
    """A card as issued, its code in hand for a delivery."""

    card: CardRow
    new: NewCode

    @property
    def serial(self) -> str:
        """The serial of its code."""
        return self.new.serial

    @property
    def code(self) -> Code:
        """Its code."""
        return self.new.code


class Prepared(NamedTuple):
    """Cards that are not written yet, and the snapshot they were made from."""

    snapshot: Snapshot
    program: str
    cards: list[NewCard]


class Issuer:
    """Makes cards."""

    def __init__(self, budget: WrapBudget, random: Random) -> None:
        self._budget = budget
        self._random = random
        self._maker = CodeMaker(budget, random)

    def prepare(self, snapshot: Snapshot, program: str, plans: Sequence[CardPlan], now_ms: int) -> Prepared:
        """Make cards for plans.

        Raises:
            NotFound: There is no such program.
            Unavailable: The encryption budget is not reserved.
        """
        self._budget.spend(snapshot, program, sum(plan.payload is not None for plan in plans))
        ids = card_ids(len(plans), self._random)
        codes = self._maker.make(snapshot, program, [Wanted(card_id, 1) for card_id in ids])
        cards = snapshot.tagger.tag_many(
            SHAPES["card"],
            [self._card(snapshot, program, plan, card_id, now_ms) for plan, card_id in zip(plans, ids, strict=True)],
        )
        return Prepared(snapshot, program, list(map(NewCard, cards, codes)))

    def claim(self, scope: Scope, prepared: Prepared) -> list[NewCard]:
        """Write prepared cards, with other codes where theirs are taken; return them in the plans' order.

        Raises:
            Unavailable: Keys or programs have changed since they were prepared; prepare them again.
        """
        check_fresh(scope, prepared.snapshot)
        cards = [card for card, _ in prepared.cards]
        codes = self._maker.claim(scope, prepared.program, [new for _, new in prepared.cards])
        scope.tx.cards.insert(sorted(cards))
        return list(map(NewCard, cards, codes))

    def _card(self, snapshot: Snapshot, program: str, plan: CardPlan, card_id: bytes, now_ms: int) -> CardRow:
        sealed = wrapped = None
        if plan.payload is not None:
            place = Place("card", "sealed_record", program, card_id, 1)
            wrapping = snapshot.keyring.active_wrapping_key(program)
            ((sealed, wrapped),) = seal_many([plan.payload], [place], wrapping, self._random)
        return CardRow(
            program,
            card_id,
            plan.batch_id,
            plan.batch_position,
            plan.state,
            Usage.UNUSED,
            1,
            plan.reference,
            plan.expires_ms,
            now_ms,
            now_ms if plan.state == CardState.ACTIVE else None,
            None,
            None,
            0 if plan.payload is None else 1,
            sealed,
            wrapped,
            1,
            b"",
        )


def card_ids(count: int, random: Random) -> list[bytes]:
    """Return ``count`` version 4 UUIDs of 16 bytes (RFC 9562 section 5.4)."""
    drawn = bytearray(random(16 * count))
    drawn[6::16] = drawn[6::16].translate(_VERSION)
    drawn[8::16] = drawn[8::16].translate(_VARIANT)
    block = bytes(drawn)
    return [block[start : start + 16] for start in range(0, len(block), 16)]


_VERSION = bytes(0x40 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))
