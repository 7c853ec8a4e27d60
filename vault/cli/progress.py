"""A progress bar on standard error, with rate and time left, for what takes its time; none if nobody sees it."""

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
        from rich import progress  # noqa: PLC0415  # slow to import, and absent from a plain install
        from rich.console import Console  # noqa: PLC0415  # the same
        from rich.text import Text  # noqa: PLC0415  # the same
    except ModuleNotFoundError:
        yield lambda _done, _total: None
        return

    class Rate(progress.ProgressColumn):
        """Items a second."""

        def render(self, task: progress.Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "", style="progress.data.speed")

    columns = (*progress.Progress.get_default_columns()[:-1], Rate(), progress.TimeRemainingColumn())
    with progress.Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
