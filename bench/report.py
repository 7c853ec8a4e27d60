"""The figures as a table for people."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench.figure import Figure

LARGE = 100.0
WIDTH = 110
_VERDICTS = {True: "holds", False: "falls short", None: ""}


def show(figures: Sequence[Figure]) -> None:
    """Write the table to standard output."""
    table = Table("figure", "value", "yardstick", "ratio", "reach", "", box=box.SIMPLE_HEAD)
    for column in table.columns[1:5]:
        column.justify = "right"
    for figure in figures:
        table.add_row(
            figure.name,
            f"{_number(figure.value)} {figure.unit}".rstrip(),
            f"{_number(figure.yardstick)} ({figure.yardstick_name})",
            f"{figure.ratio:.2f}",
            "" if figure.reach is None else f"{'≤' if figure.at_most else '≥'} {figure.reach:g}",
            _VERDICTS[figure.holds],
        )
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= LARGE else f"{value:.1f}"
