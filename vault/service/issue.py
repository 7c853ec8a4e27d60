"""Making cards: first everything that takes time, outside every lock; then the rows.

1. ``prepare`` draws codes, serials and card ids, encrypts and tags; it reads nothing and writes nothing.
2. ``claim`` writes the rows. Uniqueness is the database's: a card whose digest or serial is taken is made again
   from fresh randomness, under every live index key, and only cards that got all of theirs are written.
3. ``claim`` refuses what was prepared from another snapshot than its transaction sees, so nothing is written
   under a key that was replaced meanwhile.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.codes.code import Code
from vault.codes.generate import generate
from vault.codes.serial import generate_serials
from vault.crypto.envelope import Place, seal_many
from vault.errors import Unavailable
from vault.model.rows import CardRow, CodeRow, SerialRow
from vault.model.shape import SHAPES
from vault.model.states import CardState, Usage
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.formats import code_format
from vault.service.recorder import Scope

Random = Callable[[int], bytes]

ATTEMPTS = 100
"""How often cards whose digest or serial was taken are made again; a format so full does not pass the guess odds."""


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

    plan: CardPlan
    card: CardRow
    serial: str
    code: Code
    code_rows: tuple[CodeRow, ...]
    serial_row: SerialRow


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

    def prepare(self, snapshot: Snapshot, program: str, plans: Sequence[CardPlan], now_ms: int) -> Prepared:
        """Make cards for plans.

        Raises:
            NotFound: There is no such program.
            Unavailable: The encryption budget is not reserved.
        """
        return Prepared(snapshot, program, self._make(snapshot, program, plans, now_ms))

    def claim(self, scope: Scope, prepared: Prepared) -> list[NewCard]:
        """Write prepared cards, making those again whose code or serial is taken; return them in the plans' order.

        Raises:
            Unavailable: Keys or programs have changed since they were prepared; prepare them again.
        """
        snapshot, program = prepared.snapshot, prepared.program
        if scope.snapshot is not snapshot:
            raise Unavailable("keys have changed meanwhile; try again", reason="STALE", retry_seconds=0.0)
        done: dict[int, NewCard] = {}
        waiting = dict(enumerate(prepared.cards))
        for _ in range(ATTEMPTS):
            refused = _claim(scope, list(waiting.values()))
            done.update((place, card) for place, card in waiting.items() if card.card.card_id not in refused)
            again = [place for place, card in waiting.items() if card.card.card_id in refused]
            if not again:
                cards = [done[place] for place in sorted(done)]
                scope.tx.cards.insert(sorted(card.card for card in cards))
                return cards
            plans = [waiting[place].plan for place in again]
            waiting = dict(zip(again, self._make(snapshot, program, plans, scope.now_ms), strict=True))
        raise Unavailable("no free codes were found", reason="CODES_EXHAUSTED")

    def _make(self, snapshot: Snapshot, program: str, plans: Sequence[CardPlan], now_ms: int) -> list[NewCard]:
        count = len(plans)
        row = snapshot.program(program)
        payloads = sum(plan.payload is not None for plan in plans)
        self._budget.spend(snapshot, program, count + payloads)
        wrapping = snapshot.keyring.active_wrapping_key(program)
        codes = generate(code_format(row), count, self._random)
        digits = [code.expose() for code in codes]
        serials = generate_serials(count, self._random)
        ids = card_ids(count, self._random)
        places = [Place("code", "sealed_code", program, card_id, 1) for card_id in ids]
        sealed = seal_many(digits, places, wrapping, self._random)
        by_index: list[list[CodeRow]] = []
        for digester in snapshot.keyring.claiming_digesters(program):
            version = digester.version
            rows = [
                CodeRow(digest, version, program, card_id, 1, serial, blob, key, b"")
                for digest, card_id, serial, (blob, key) in zip(
                    digester.digest_many(digits), ids, serials, sealed, strict=True
                )
            ]
            by_index.append(snapshot.tagger.tag_many(SHAPES["code"], rows))
        serial_rows = snapshot.tagger.tag_many(
            SHAPES["serial"],
            [SerialRow(program, serial, card_id, 1, b"") for serial, card_id in zip(serials, ids, strict=True)],
        )
        cards = snapshot.tagger.tag_many(
            SHAPES["card"],
            [self._card(snapshot, program, plan, card_id, now_ms) for plan, card_id in zip(plans, ids, strict=True)],
        )
        return [
            NewCard(*parts)
            for parts in zip(plans, cards, serials, codes, zip(*by_index, strict=True), serial_rows, strict=True)
        ]

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


def _claim(scope: Scope, cards: Sequence[NewCard]) -> set[bytes]:
    """Claim every digest and the serial of each card, all or none of them; return the card ids that got none."""
    tx = scope.tx
    taken = tx.codes.claim(sorted(row for card in cards for row in card.code_rows))
    refused = {card.card.card_id for card in cards for row in card.code_rows if row.digest in taken}
    held = [card for card in cards if card.card.card_id not in refused]
    taken_serials = tx.serials.claim(sorted(card.serial_row for card in held))
    refused.update(card.card.card_id for card in held if card.serial in taken_serials)
    if refused:
        tx.codes.delete(
            {
                row.digest
                for card in cards
                if card.card.card_id in refused
                for row in card.code_rows
                if row.digest not in taken
            }
        )
    return refused
