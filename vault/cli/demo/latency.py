"""How long shops waited for answers: percentiles by nearest rank."""

from collections.abc import Sequence
from math import ceil


def percentile_ms(waits: Sequence[float], share: float) -> float | None:
    """Answer the wait that a share of all waits did not exceed, in milliseconds; None where there is none.

    Args:
        waits: In seconds.
        share: Above 0, at most 1.
    """
    if not waits:
        return None
    return round(sorted(waits)[ceil(share * len(waits)) - 1] * 1000, 2)
