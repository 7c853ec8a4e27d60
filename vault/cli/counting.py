"""Triage: how many cards are in which state and of which usage, and what that means."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from vault.cli.output import Output, table, word
from vault.v1.resources_pb2 import Card, CardCount, Usage

UNSOLD = "not sold: worth nothing yet; re-issue or withdraw"
SOLD = {
    Usage.USAGE_UNUSED: "sold, unused: give the holder a new code",
    Usage.USAGE_IN_USE: "sold, in use: keep the balance, give the holder a new code",
    Usage.USAGE_EMPTY: "sold, nothing left",
}
MEANING = {
    Card.STATE_INACTIVE: UNSOLD,
    Card.STATE_SUSPENDED: "suspended: give the holder a new code, it stays suspended",
    Card.STATE_CLOSED: "closed: nothing to do",
    Card.STATE_REDEEMED: "spent: nothing to do",
}


def show_counts(output: Output, counts: Iterable[CardCount]) -> None:
    """Show people the counts with what they mean, and their sum; nothing where JSON is asked for."""
    if output.as_json:
        return
    ordered = sorted(counts, key=lambda count: (count.state, count.usage))
    rows = [
        [word(Card.State, count.state), word(Usage, count.usage), f"{count.count:,}", meaning(count)]
        for count in ordered
    ]
    total = sum(count.count for count in ordered)
    table(["state", "usage", "cards", "what it means"], [*rows, ["all", "", f"{total:,}", ""]])


def plain_counts(counts: Iterable[CardCount]) -> list[dict[str, Any]]:
    """Answer the counts for programs."""
    ordered = sorted(counts, key=lambda count: (count.state, count.usage))
    return [
        {"state": word(Card.State, count.state), "usage": word(Usage, count.usage), "count": count.count}
        for count in ordered
    ]


def added(parts: Iterable[Iterable[CardCount]]) -> list[CardCount]:
    """Answer the sums of several counts."""
    sums: defaultdict[tuple[Card.State.ValueType, Usage.ValueType], int] = defaultdict(int)
    for part in parts:
        for count in part:
            sums[count.state, count.usage] += count.count
    return [CardCount(state=state, usage=usage, count=count) for (state, usage), count in sums.items()]


def meaning(count: CardCount) -> str:
    """Answer what is to be done with cards of a state and usage."""
    return SOLD.get(count.usage, "sold") if count.state == Card.STATE_ACTIVE else MEANING.get(count.state, "")
