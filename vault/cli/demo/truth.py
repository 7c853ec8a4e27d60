"""What must be true of a code at a time: what the incident's shops count their answers against. Pure.

1. A code of the lot that was sold is good until the freeze, and then never again.
2. Its successor is good from the thaw on.
3. Unsold codes, their successors and made-up codes are never good.
4. Cards outside the incident are good all the time: no validation is missed.

A lot's positions are in this order: sold and unused, sold and empty, sold and in use, unsold.
"""

from collections.abc import Mapping
from enum import Enum

from vault.cli.demo.moments import FREEZING, FROZEN, THAWED, THAWING
from vault.cli.demo.plan import Plan
from vault.v1.resources_pb2 import Usage

NEVER = float("inf")


class Kind(Enum):
    """What a shop knows of a customer's card."""

    UNUSED = "sold, unused"
    ZERO = "sold, empty"
    IN_USE = "sold, in use"
    UNSOLD = "unsold"
    CONTROL = "not in the incident"
    UNKNOWN = "made up"


USAGES: Mapping[Kind, int] = {
    Kind.UNUSED: Usage.USAGE_UNUSED,
    Kind.ZERO: Usage.USAGE_EMPTY,
    Kind.IN_USE: Usage.USAGE_IN_USE,
    Kind.CONTROL: Usage.USAGE_UNUSED,
}


def positions(plan: Plan) -> dict[Kind, range]:
    """Answer where in the lot each kind of card is."""
    ends = (plan.unused, plan.unused + plan.zero, plan.sold, plan.cards)
    kinds = (Kind.UNUSED, Kind.ZERO, Kind.IN_USE, Kind.UNSOLD)
    return {kind: range(start, end) for kind, start, end in zip(kinds, (0, *ends), ends, strict=False)}


def owed(kind: Kind, moments: Mapping[str, float], *, renewed: bool, asked: float, answered: float) -> bool | None:
    """Answer whether a code had to be good; None while that was just changing.

    Args:
        kind: Of which kind its card is.
        moments: Of the story.
        renewed: True for the code of the re-issue, False for the one before.
        asked: When the shop asked, in seconds.
        answered: When it had the answer.
    """
    if kind is Kind.CONTROL:
        return True
    if kind in {Kind.UNSOLD, Kind.UNKNOWN}:
        return False
    begins, ends = (THAWING, THAWED) if renewed else (FREEZING, FROZEN)
    if answered <= moments.get(begins, NEVER):
        return not renewed
    return renewed if asked >= moments.get(ends, NEVER) else None
