"""Whether times of several kinds of calls differ: Welch's t-test, as dudect makes it.

After J. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", DATE 2017: measurements of both
classes are compared as they are, and again with the slowest left out, above each of several percentiles of all
of them together, because what is slow is mostly the machine's doing and hides small differences. The largest
|t| counts; above 4.5 the classes differ.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

LARGEST_T: Final = 4.5
CROPS: Final = 20
LEAST: Final = 30
"""Values that a crop must leave of each class, for t to be near enough to normal."""
_HALVINGS: Final = 10.0
"""The last crop leaves out the slowest 2^-10; dudect's percentiles are these, five times as many."""


class Difference(NamedTuple):
    """How the times of one kind differ from those of the reference, in the unit of the times.

    Fields:
        t: Welch's t of the crop where it is farthest from 0.
        median: Its median minus the reference's.
        visible: The least difference of means that would have made ``LARGEST_T``, in whichever crop.
        reference: The reference's median.
    """

    t: float
    median: float
    visible: float
    reference: float


def welch_t(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Welch's t of two samples; 0 where either has fewer than two values, or neither varies."""
    if min(len(one), len(other)) < 2:  # noqa: PLR2004  a variance takes two
        return 0.0
    difference, error = _compared(one, other)
    if error == 0.0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / error


def differences(times: Mapping[str, Sequence[float]], reference: str) -> dict[str, Difference]:
    """Return how the times of every other kind differ from those of a reference.

    Args:
        times: The times of each kind.
        reference: The kind that the others are compared with.
    """
    pooled = sorted(time for some in times.values() for time in some)
    limits = [math.inf, *(_quantile(pooled, 1 - 0.5 ** (_HALVINGS * crop / CROPS)) for crop in range(1, CROPS + 1))]
    right = times[reference]
    middle = _quantile(sorted(right), 0.5)
    found = {}
    for kind, some in times.items():
        if kind != reference:
            crops = [([t for t in some if t < limit], [t for t in right if t < limit]) for limit in limits]
            crops = [crop for crop in crops if min(map(len, crop)) >= LEAST]
            farthest = max((welch_t(*crop) for crop in crops), key=abs, default=0.0)
            visible = LARGEST_T * min((_compared(*crop)[1] for crop in crops), default=math.inf)
            found[kind] = Difference(farthest, _quantile(sorted(some), 0.5) - middle, visible, middle)
    return found


def _compared(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Return the difference of two means, and its standard error."""
    (mean, variance), (other_mean, other_variance) = _moments(one), _moments(other)
    return mean - other_mean, math.sqrt(variance / len(one) + other_variance / len(other))


def _moments(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
