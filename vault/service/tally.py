"""How many codes of a program are or may become good.

The count is kept in slots whose sum counts. Issuing changes slot 0, under its lock, so that two issuances
cannot both take the last room; what becomes of single cards changes a slot that each process chose for itself,
so that they need not wait for each other.
"""

from vault.codes.odds import Odds, check_room
from vault.model.rows import ProgramRow, TallyRow
from vault.model.shape import SHAPES
from vault.model.states import CardState
from vault.service.formats import code_format
from vault.service.recorder import Scope

SLOTS = 16
"""Slots of a program; the first is for issuing."""

COUNTED = frozenset({CardState.INACTIVE, CardState.ACTIVE, CardState.SUSPENDED})
"""States in which a card's code is or may become good. A spent code counts again when its redemption is reversed."""


def odds(scope: Scope, program: ProgramRow) -> Odds:
    """Return the program's guess odds as they are."""
    rows = scope.tx.tallies.get(program.program)
    for row in rows:
        scope.snapshot.tagger.verify(SHAPES["tally"], row)
    live = sum(row.live for row in rows)
    return Odds(code_format(program).code_space, live, program.max_guess_odds)


def take_room(scope: Scope, program: ProgramRow, count: int, *, dry: bool = False) -> None:
    """Count ``count`` codes that will be issued.

    Raises:
        FailedPrecondition: The program's guess odds would pass its bound (reason ``GUESS_ODDS``, metadata
        ``remaining``).
    """
    slot = _slot(scope, program.program, 0)
    check_room(odds(scope, program), count)
    if not dry:
        _put(scope, slot._replace(live=slot.live + count))


def change(scope: Scope, program: str, slot: int, delta: int) -> None:
    """Count codes that became (positive) or can no longer become (negative) good."""
    if delta:
        row = _slot(scope, program, slot)
        _put(scope, row._replace(live=row.live + delta))


def delta(before: int, after: int) -> int:
    """Return by how much the count changes when a card goes from one state to another."""
    return (after in COUNTED) - (before in COUNTED)


def slot_of(process: bytes) -> int:
    """Return the slot for a process, from its 16 random bytes."""
    return 1 + process[0] % (SLOTS - 1)


def _slot(scope: Scope, program: str, slot: int) -> TallyRow:
    row = scope.tx.tallies.get_locked(program, slot)
    if row is None:
        return TallyRow(program, slot, 0, b"")
    scope.snapshot.tagger.verify(SHAPES["tally"], row)
    return row


def _put(scope: Scope, row: TallyRow) -> None:
    scope.tx.tallies.put(scope.snapshot.tagger.tagged(SHAPES["tally"], row))
