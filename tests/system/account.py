"""What traders were told, held against what the database has: nothing lost, nothing done twice."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from vault.model.states import CardState

_CARDS = "SELECT card_id, state, revision, redemption_id FROM card WHERE program = %s AND batch_id IS NULL"
_COUNTS = """SELECT (SELECT count(*) FROM code WHERE program = %s),
    (SELECT count(*) FROM serial WHERE program = %s),
    (SELECT coalesce(sum(live), 0) FROM tally WHERE program = %s),
    (SELECT count(*) FROM card WHERE program = %s),
    (SELECT count(*) FROM card WHERE program = %s AND state IN (1, 2, 3))"""


class Account(NamedTuple):
    """What was acknowledged, by card, and what was wrong."""

    issued: Counter[str]
    sold: Counter[str]
    spent: Mapping[str, str]
    wrong: Sequence[Any]
    unavailable: int
    waits_ms: Sequence[int]
    times_ns: Sequence[int]

    @property
    def effects(self) -> int:
        """How many effects were acknowledged: cards issued, sold and spent."""
        return self.issued.total() + self.sold.total() + len(self.spent)

    @property
    def longest_wait_ms(self) -> int:
        """The longest wait that was noted; 0 for none."""
        return max(self.waits_ms, default=0)

    def seconds_after(self, moment_ns: int) -> float:
        """Return the seconds from a moment to the next acknowledgement; infinity if there was none."""
        return min((at - moment_ns for at in self.times_ns if at > moment_ns), default=math.inf) / 1e9


def account_of(lines: Iterable[Sequence[Any]]) -> Account:
    """Add up what traders wrote."""
    issued, sold = Counter[str](), Counter[str]()
    spent: dict[str, str] = {}
    wrong, waits, times, unavailable = [], [], [], 0
    for kind, at, *facts in lines:
        if kind in {"issued", "sold", "spent"}:
            times.append(at)
        if kind == "issued":
            issued.update(facts)
        elif kind == "sold":
            sold.update(facts)
        elif kind == "spent":
            card, redemption = facts
            assert card not in spent, "one code was spent twice"
            spent[card] = redemption
        elif kind == "waited":
            waits.append(facts[0])
        elif kind == "unavailable":
            unavailable += 1
        else:
            wrong.append([kind, *facts])
    return Account(issued, sold, spent, wrong, unavailable, waits, sorted(times))


def verify(account: Account, dsn: str, program: str, others: Iterable[str] = ()) -> None:
    """Hold an account against the database, when no trader is at work any more.

    Args:
        account: What was acknowledged.
        dsn: The database.
        program: The program traded in.
        others: Cards that were issued before the traders came.
    """
    assert account.wrong == []
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(_CARDS, [program]).fetchall()
        found = connection.execute(_COUNTS, [program] * 5).fetchone()
    assert found is not None
    codes, serials, live, every, counted = found
    assert codes == serials == every
    assert live == counted
    cards = {str(UUID(bytes=bytes(card))): row for card, *row in rows}
    for card in others:
        del cards[card]
    # Every call was settled, so there is not one card that nobody was told of.
    assert cards.keys() == account.issued.keys()
    assert set(account.issued.values()) <= {1}
    for card, (state, revision, redemption) in cards.items():
        spent = account.spent.get(card)
        expected = CardState.REDEEMED if spent else CardState.ACTIVE if card in account.sold else CardState.INACTIVE
        assert state == expected, card
        assert (None if redemption is None else str(UUID(bytes=bytes(redemption)))) == spent, card
        # Each effect raises the revision by one, so one that was done twice is seen here.
        assert revision == 1 + (card in account.sold) + (spent is not None), card
