"""How often a wrong proof may be shown for a card: pure, given the row that counts them.

1. After ``FREE`` wrong proofs comes a wait of a minute, and after each further one a wait twice as long as the
   last, up to an hour.
2. During a wait nothing is right and nothing is counted, so a wait is never made longer by those who do not
   wait: it ends by itself, and the true holder's next try counts.
3. A right proof clears the count.
4. The count is a row, so it outlives every process; a clock that was wrong holds nobody up for longer than an
   hour.

Somebody who tries on whenever a wait ends leaves the holder one free moment an hour, and has 24 tries a day.
Where that happens, exchange by proof of purchase, which is not counted, or re-issue the card.
"""

from typing import Final

from vault.model.incident_rows import AttemptRow

FREE: Final = 5
"""Wrong proofs after which the first wait comes."""

FIRST_WAIT_MS: Final = 60_000
LONGEST_WAIT_MS: Final = 3_600_000

_DOUBLINGS: Final = (LONGEST_WAIT_MS // FIRST_WAIT_MS).bit_length()


def wait_ms(failures: int) -> int:
    """Return for how long after the last of so many wrong proofs no proof counts, in milliseconds."""
    if failures < FREE:
        return 0
    return min(FIRST_WAIT_MS << min(failures - FREE, _DOUBLINGS), LONGEST_WAIT_MS)


def waits(row: AttemptRow | None, now_ms: int) -> bool:
    """Return whether no proof counts now."""
    # A last try in the future is another clock's; if it is further off than the wait, it holds nobody up.
    return row is not None and abs(now_ms - row.last_ms) < wait_ms(row.failures)


def failed(row: AttemptRow | None, program: str, card_id: bytes, now_ms: int) -> AttemptRow:
    """Return the row after one more wrong proof, without its tag."""
    failures = 0 if row is None else row.failures
    return AttemptRow(program, card_id, failures + 1, now_ms, b"")


def cleared(row: AttemptRow, now_ms: int) -> AttemptRow:
    """Return the row after a right proof, without its tag."""
    return row._replace(failures=0, last_ms=now_ms, tag=b"")
