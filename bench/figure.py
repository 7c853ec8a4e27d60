"""A figure: what was measured, its yardstick, and the ratio to reach."""

from collections.abc import Sequence
from statistics import median
from typing import Any, NamedTuple


class Figure(NamedTuple):
    """One figure.

    Attributes:
        name: What was measured.
        value: The median of its runs.
        unit: Unit of value and yardstick.
        yardstick: The median of the yardstick's runs, or a limit.
        yardstick_name: What the yardstick is.
        reach: The ratio of value to yardstick to reach; None where the yardstick is only shown.
        at_most: True where the ratio may not be above ``reach``; otherwise it may not be below.
    """

    name: str
    value: float
    unit: str
    yardstick: float
    yardstick_name: str
    reach: float | None
    at_most: bool = False

    @property
    def ratio(self) -> float:
        """Value divided by yardstick."""
        return self.value / self.yardstick

    @property
    def holds(self) -> bool | None:
        """Whether the ratio to reach is reached; None where there is none."""
        if self.reach is None:
            return None
        return self.ratio <= self.reach if self.at_most else self.ratio >= self.reach

    def as_json(self) -> dict[str, Any]:
        """Return the figure as a JSON object."""
        return {
            "name": self.name,
            "value": round(self.value, 3),
            "unit": self.unit,
            "yardstick": round(self.yardstick, 3),
            "yardstick_name": self.yardstick_name,
            "ratio": round(self.ratio, 3),
            "reach": self.reach,
            "reach_is": "at most" if self.at_most else "at least",
            "holds": self.holds,
        }


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return float(median(values))
