"""How many cards of each kind: the split of 2006, at any scale.

Of 81,105 cards whose codes were taken, 50,419 were printed and not yet sold, 2,286 were sold and unused, 24,363
were at zero and 4,037 in use with a balance.
"""

from typing import NamedTuple

CARDS_OF_2006 = 81_105
_SHARES = (50_419, 2_286, 24_363, 4_037)
SMALLEST = 100
MOST_HOLDERS = 400


class Plan(NamedTuple):
    """Cards by kind; the first two are printed in a batch, the others issued one by one."""

    unsold: int
    unused: int
    zero: int
    in_use: int

    @property
    def cards(self) -> int:
        """All of them."""
        return sum(self)

    @property
    def printed(self) -> int:
        """Those that are issued in a batch and printed."""
        return self.unsold + self.unused

    @property
    def issued(self) -> int:
        """Those that are issued one by one, with a record."""
        return self.zero + self.in_use

    @property
    def sold(self) -> int:
        """Those whose codes are good."""
        return self.cards - self.unsold

    @property
    def control(self) -> int:
        """Cards that the incident's story issues beside them, to be good all the time."""
        return max(20, self.cards // 40)

    @property
    def holders(self) -> int:
        """Holders who come to exchange their codes in the incident's story."""
        return min(MOST_HOLDERS, self.sold // 3)


def plan(cards: int) -> Plan:
    """Split a number of cards as in 2006, the largest kind taking what rounding leaves.

    Raises:
        ValueError: There are too few for one of each kind.
    """
    if cards < SMALLEST:
        message = f"the demo takes at least {SMALLEST} cards"
        raise ValueError(message)
    unused, zero, in_use = (max(1, round(cards * share / CARDS_OF_2006)) for share in _SHARES[1:])
    return Plan(cards - unused - zero - in_use, unused, zero, in_use)
