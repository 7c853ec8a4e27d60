"""Making codes for cards, new ones or ones that have codes already: first all that takes time, then the rows.

1. ``make`` draws codes and serials, encrypts, digests and tags; it reads nothing and writes nothing.
2. ``claim`` writes the rows. Uniqueness is the database's: a card whose digest or serial is taken gets others,
   from fresh randomness and under every live index key; a card gets all of its rows or none.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from vault.codes.code import Code
from vault.codes.generate import generate
from vault.codes.serial import generate_serials
from vault.crypto.envelope import Place, seal_many
from vault.errors import Unavailable
from vault.model.rows import CodeRow, SerialRow
from vault.model.shape import SHAPES
from vault.service.budget import WrapBudget
from vault.service.catalogue import Snapshot
from vault.service.formats import code_format
from vault.service.recorder import Scope

Random = Callable[[int], bytes]

ATTEMPTS = 100
"""How often codes that were taken are made again; a format so full does not pass the guess odds."""


class Wanted(NamedTuple):
    """A card, 16 bytes, and the generation that its new code is to have."""

    card_id: bytes
    generation: int


class NewCode(NamedTuple):
    """A card's new code in hand, and its rows: one for each live index key, and the serial's."""

    card_id: bytes
    serial: str
    code: Code
    code_rows: tuple[CodeRow, ...]
    serial_row: SerialRow


class CodeMaker:
    """Makes codes."""

    def __init__(self, budget: WrapBudget, random: Random) -> None:
        self._budget = budget
        self._random = random

    def make(self, snapshot: Snapshot, program: str, wanted: Sequence[Wanted]) -> list[NewCode]:
        """Make a code for each card, in order.

        Raises:
            NotFound: There is no such program.
            Unavailable: The encryption budget, one wrapping for each, is not reserved (reason ``STALE``).
        """
        count = len(wanted)
        row = snapshot.program(program)
        self._budget.spend(snapshot, program, count)
        codes = generate(code_format(row), count, self._random)
        digits = [code.expose() for code in codes]
        serials = generate_serials(count, self._random)
        places = [Place("code", "sealed_code", program, card_id, generation) for card_id, generation in wanted]
        sealed = seal_many(digits, places, snapshot.keyring.active_wrapping_key(program), self._random)
        by_index: list[list[CodeRow]] = []
        for digester in snapshot.keyring.claiming_digesters(program):
            version = digester.version
            rows = [
                CodeRow(digest, version, program, card_id, generation, serial, blob, key, b"")
                for digest, (card_id, generation), serial, (blob, key) in zip(
                    digester.digest_many(digits), wanted, serials, sealed, strict=True
                )
            ]
            by_index.append(snapshot.tagger.tag_many(SHAPES["code"], rows))
        serial_rows = snapshot.tagger.tag_many(
            SHAPES["serial"],
            [
                SerialRow(program, serial, card_id, generation, b"")
                for serial, (card_id, generation) in zip(serials, wanted, strict=True)
            ],
        )
        ids = [card_id for card_id, _ in wanted]
        return list(map(NewCode, ids, serials, codes, zip(*by_index, strict=True), serial_rows))

    def claim(self, scope: Scope, program: str, codes: Sequence[NewCode]) -> list[NewCode]:
        """Write codes that were made from the scope's snapshot, making those again that are taken.

        Args:
            scope: Where to write.
            program: The program of all of them.
            codes: At most one for each card.

        Returns:
            The codes as written, in their cards' order.

        Raises:
            Unavailable: No free codes were found, or the budget for making some again is not reserved.
        """
        done: dict[bytes, NewCode] = {}
        waiting = list(codes)
        for _ in range(ATTEMPTS):
            refused = _claim(scope, waiting)
            done.update((new.card_id, new) for new in waiting if new.card_id not in refused)
            again = [new for new in waiting if new.card_id in refused]
            if not again:
                return [done[new.card_id] for new in codes]
            wanted = [Wanted(new.card_id, new.serial_row.generation) for new in again]
            waiting = self.make(scope.snapshot, program, wanted)
        raise Unavailable("no free codes were found", reason="CODES_EXHAUSTED")


def check_fresh(scope: Scope, snapshot: Snapshot) -> None:
    """Check that what a snapshot prepared may be written: nothing is written under a key that was replaced.

    Raises:
        Unavailable: STALE: keys or programs have changed since; prepare it again.
    """
    if scope.snapshot is not snapshot:
        raise Unavailable("keys have changed meanwhile; try again", reason="STALE", retry_seconds=0.0)


def _claim(scope: Scope, codes: Sequence[NewCode]) -> set[bytes]:
    """Claim every digest and the serial of each card, all or none; return the card ids that got none."""
    tx = scope.tx
    taken = tx.codes.claim(sorted(row for new in codes for row in new.code_rows))
    refused = {new.card_id for new in codes for row in new.code_rows if row.digest in taken}
    held = [new for new in codes if new.card_id not in refused]
    taken_serials = tx.serials.claim(sorted(new.serial_row for new in held))
    refused.update(new.card_id for new in held if new.serial in taken_serials)
    if refused:
        tx.codes.delete(
            {row.digest for new in codes if new.card_id in refused for row in new.code_rows if row.digest not in taken}
        )
    return refused
