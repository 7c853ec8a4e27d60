"""Which cards are on hold: pure, given the rows of the holds that hold.

1. A hold covers a program, batches or chosen cards; no code under it is good, whatever becomes of its card.
2. Holds over the same card add up: it is free when the last of them is lifted.
3. Chosen cards stay as they are stored, 16 bytes each and sorted, and are found by binary search: a million of
   them are 16 MB and no object each.
4. A look costs the same whether it finds a card or not. Where a program has no hold it costs one dictionary
   look-up.

A look costs one search (4 µs over 81,105 cards) for each hold of chosen cards in the card's program, so many
such incidents frozen at the same time add up.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final

from vault.errors import IntegrityFailure
from vault.model.incident_rows import HoldRow
from vault.model.rows import CardRow
from vault.model.states import HoldKind

ID_SIZE: Final = 16


class ChosenIds:
    """Ids of 16 bytes, sorted, in one byte string."""

    __slots__ = ("_ids", "_places")

    def __init__(self, ids: bytes) -> None:
        """Take sorted ids, one after the other.

        Raises:
            IntegrityFailure: HOLD: they are not whole ids.
        """
        if len(ids) % ID_SIZE:
            message = "a hold's ids are not whole"
            raise IntegrityFailure(message, reason="HOLD")
        self._ids = ids
        self._places = range(0, len(ids), ID_SIZE)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, wanted: bytes) -> bool:
        ids = self._ids
        place = bisect_left(self._places, wanted, key=lambda start: ids[start : start + ID_SIZE])
        return ids[place * ID_SIZE : (place + 1) * ID_SIZE] == wanted


class _OfProgram:
    """The holds of one program; each is named by its id, so that one of them can be looked past."""

    __slots__ = ("batches", "chosen", "contested", "stops_issuance", "whole")

    def __init__(self) -> None:
        self.whole: set[bytes] = set()
        self.batches: dict[bytes, set[bytes]] = {}
        self.chosen: list[tuple[bytes, ChosenIds]] = []
        self.contested: dict[bytes, set[bytes]] = {}
        self.stops_issuance = False

    def add(self, hold: HoldRow) -> None:
        self.stops_issuance = self.stops_issuance or bool(hold.stops_issuance)
        if hold.kind == HoldKind.PROGRAM:
            self.whole.add(hold.hold_id)
        elif hold.kind == HoldKind.CARDS:
            self.chosen.append((hold.hold_id, ChosenIds(hold.ids)))
        else:
            found = self.batches if hold.kind == HoldKind.BATCHES else self.contested
            for covered in split_ids(hold.ids):
                found.setdefault(covered, set()).add(hold.hold_id)

    def cover(self, card_id: bytes, batch_id: bytes | None, but: bytes) -> bool:
        holding = set(self.whole)
        holding |= self.contested.get(card_id, _NONE)
        if batch_id is not None:
            holding |= self.batches.get(batch_id, _NONE)
        for hold_id, ids in self.chosen:
            if card_id in ids:
                holding.add(hold_id)
        holding.discard(but)
        return bool(holding)


_NONE: Final[frozenset[bytes]] = frozenset()


class Holds:
    """Every hold that holds. It never changes; a new catalogue makes a new one."""

    __slots__ = ("_programs",)

    def __init__(self, rows: Iterable[HoldRow] = ()) -> None:
        """Take holds whose tags were verified."""
        self._programs: dict[str, _OfProgram] = {}
        for row in rows:
            self._programs.setdefault(row.program, _OfProgram()).add(row)

    def keeps(self, card: CardRow, but: bytes = b"") -> bool:
        """Return whether a card is on hold by another hold than ``but`` (an incident's hold has its id)."""
        return self.cover(card.program, card.card_id, card.batch_id, but)

    def cover(self, program: str, card_id: bytes, batch_id: bytes | None, but: bytes = b"") -> bool:
        """Return whether a card would be on hold; as ``keeps``, for one that may not be there."""
        holds = self._programs.get(program)
        return holds is not None and holds.cover(card_id, batch_id, but)

    def covers_batch(self, program: str, batch_id: bytes) -> bool:
        """Return whether every card of a batch is on hold, those to come included."""
        holds = self._programs.get(program)
        return holds is not None and bool(holds.whole or batch_id in holds.batches)

    def stops_issuance(self, program: str) -> bool:
        """Return whether nothing may be issued in a program."""
        holds = self._programs.get(program)
        return holds is not None and holds.stops_issuance


NO_HOLDS: Final = Holds()


def join_ids(ids: Iterable[bytes]) -> bytes:
    """Return ids of 16 bytes as a hold's row keeps them: sorted, one after the other."""
    return b"".join(sorted(ids))


def split_ids(ids: bytes) -> Sequence[bytes]:
    """Return the ids of a hold's or an incident's row, one by one."""
    return [ids[start : start + ID_SIZE] for start in range(0, len(ids), ID_SIZE)]
