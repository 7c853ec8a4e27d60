"""A progress bar on standard error while something takes its time; nothing where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Report]:
    """Show a bar until the block ends; it is given a function that takes what is done and the total.

    Args:
        title: What is being done.
        quiet: True for none at all; there is none either where standard error is not a terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    try:
        from rich.console import Console  # noqa: PLC0415  # slow to import, and absent from a plain install
        from rich.progress import Progress  # noqa: PLC0415  # the same
    except ModuleNotFoundError:
        yield lambda _done, _total: None
        return
    with Progress(console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
