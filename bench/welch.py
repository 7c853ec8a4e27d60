"""Whether times of several kinds of calls differ: Welch's t-test, as dudect makes it.

After J. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", DATE 2017: measurements of both
classes are compared as they are, and again with the slowest left out, above each of several percentiles of all
of them together, because what is slow is mostly the machine's doing and hides small differences. The largest |t|
counts; above 4.5 the classes differ.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

LARGEST_T: Final = 4.5
CROPS: Final = 20
_HALVINGS: Final = 10.0
"""The last crop leaves out the slowest 2^-10; dudect's percentiles are these, five times as many."""


class Difference(NamedTuple):
    """How the times of one kind differ from those of the reference.

    Fields:
        t: Welch's t of the crop where it is farthest from 0.
        median: Its median minus the reference's, in the unit of the times.
    """

    t: float
    median: float


def welch_t(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t of two samples; 0 where either has fewer than two values, or neither varies."""
    if min(len(one), len(other)) < 2:  # noqa: PLR2004  a variance takes two
        return 0.0
    (mean, variance), (other_mean, other_variance) = _moments(one), _moments(other)
    error = math.sqrt(variance / len(one) + other_variance / len(other))
    if error == 0.0:
        return 0.0 if mean == other_mean else math.inf
    return (mean - other_mean) / error


def differences(times: Mapping[str, Sequence[float]], reference: str) -> dict[str, Difference]:
    """Return how the times of every other kind differ from those of a reference.

    Args:
        times: The times of each kind.
        reference: The kind that the others are compared with.
    """
    pooled = sorted(time for some in times.values() for time in some)
    limits = [math.inf, *(_quantile(pooled, 1 - 0.5 ** (_HALVINGS * crop / CROPS)) for crop in range(1, CROPS + 1))]
    right = times[reference]
    cropped = [[time for time in right if time < limit] for limit in limits]
    found = {}
    for kind, some in times.items():
        if kind != reference:
            values = [
                welch_t([time for time in some if time < limit], of_reference)
                for limit, of_reference in zip(limits, cropped, strict=True)
            ]
            median = _quantile(sorted(some), 0.5) - _quantile(sorted(right), 0.5)
            found[kind] = Difference(max(values, key=abs), median)
    return found


def _moments(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
