"""How a process of the vault reports what it counts and measures.

1. A process that was not told to ``start``, or runs under no supervisor, such as a command of the command line,
   keeps nothing and does not need prometheus_client.
2. Reporting costs about 1 µs for a counter or gauge and 2.5 µs for a histogram, and never waits for a disk.
3. A label's value that is not in the table is counted as ``other``.

prometheus_client decides when it is first imported whether values are kept in files, by the environment of that
moment; ``start`` decides it anew.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from vault.metrics.files import FOLDER, folder, reserve
from vault.metrics.table import BY_NAME, METRICS, OTHER, PREFIX, SECONDS, Metric


class Bound:
    """One metric with its labels given, quick to report to."""

    __slots__ = ("add", "put")

    def __init__(self, add: Callable[[float], None], put: Callable[[float], None]) -> None:
        """Name what is called: ``add`` counts or observes a value, ``put`` sets a gauge."""
        self.add = add
        self.put = put


def _nothing(_value: float) -> None:
    """Keep nothing."""


_NOTHING: Final = Bound(_nothing, _nothing)


class _Reporting:
    """What this process reports to; empty until ``start``."""

    def __init__(self) -> None:
        self.client: Any = None
        self.kind_before: Any = None
        self.made: dict[str, Any] = {}
        self.bound: dict[tuple[str, ...], Bound] = {}

    def begin(self, client: Any) -> None:
        """Keep values in the folder's files, whatever the library chose when somebody imported it."""
        self.client, self.kind_before = client, client.values.ValueClass
        process = os.getpid()  # asked for once, not for each value: no process of the vault forks after ``start``
        client.values.ValueClass = client.values.MultiProcessValue(lambda: process)

    def metric(self, metric: Metric) -> Any:
        """Return prometheus_client's object of a metric; a gauge is there only where somebody sets it."""
        if metric.name not in self.made:
            self.made[metric.name] = self._make(metric)
        return self.made[metric.name]

    def _make(self, metric: Metric) -> Any:
        name, labels = f"{PREFIX}{metric.name}", tuple(metric.labels)
        if metric.kind == "histogram":
            return self.client.Histogram(name, metric.meaning, labels, registry=None, buckets=SECONDS)
        if metric.kind == "counter":
            return self.client.Counter(name, metric.meaning, labels, registry=None)
        return self.client.Gauge(name, metric.meaning, labels, registry=None, multiprocess_mode=f"live{metric.over}")

    def forget(self) -> None:
        """Report nothing any more, and close the files."""
        for each in self.bound.values():
            each.add = each.put = _nothing
        self.bound.clear()
        self.made.clear()
        if self.client is not None:
            self.client.values.ValueClass.close_all_files()
            self.client.values.ValueClass = self.kind_before
        self.client = None


_reporting = _Reporting()


@contextmanager
def collecting() -> Iterator[Path]:
    """Make a folder, and have this process and those it starts report to it while the context lasts.

    Raises:
        OSError: There is no room for it in the system's folder for temporary files.
    """
    with folder() as place:
        start()
        try:
            yield place
        finally:
            _reporting.forget()


def start() -> None:
    """Have this process report from now on, if a supervisor collects; to be called before anything is bound.

    Raises:
        OSError: There is no room for its files; then it keeps nothing.
    """
    place = os.environ.get(FOLDER)
    if _reporting.client is not None or place is None:
        return
    reserve(Path(place), os.getpid())
    _reporting.begin(import_module("prometheus_client"))
    for metric in METRICS:
        if metric.kind != "gauge" and not metric.labels:
            bound(metric.name)  # so that it is there from the first, as 0


def bound(name: str, **labels: str) -> Bound:
    """Return a metric with its labels given, to be kept where reporting must be quick.

    Args:
        name: The metric's name in the table.
        labels: A value for each of its labels.

    Raises:
        KeyError: There is no such metric, or not exactly these labels are its own.
    """
    metric = BY_NAME[name]
    if labels.keys() != metric.labels.keys():
        message = f"{name} has the labels {', '.join(metric.labels) or 'none'}"
        raise KeyError(message)
    if _reporting.client is None:
        return _NOTHING
    values = tuple(_allowed(metric, label, labels[label]) for label in metric.labels)
    known = _reporting.bound.get((name, *values))
    if known is None:
        made = _reporting.metric(metric)
        child = made.labels(*values) if values else made
        known = Bound(getattr(child, "observe", None) or child.inc, getattr(child, "set", _nothing))
        _reporting.bound[name, *values] = known
    return known


def count(name: str, amount: float = 1, **labels: str) -> None:
    """Add to a counter, or a value to a histogram."""
    bound(name, **labels).add(amount)


def put(name: str, value: float, **labels: str) -> None:
    """Set a gauge."""
    bound(name, **labels).put(value)


def submission_refused(cause: str) -> None:
    """Count a sealed submission that was refused.

    Args:
        cause: One of ``table.SUBMISSION_CAUSES``.
    """
    count("submissions_refused", cause=cause)


def _allowed(metric: Metric, label: str, value: str) -> str:
    values = metric.labels[label]
    return value if values is None or value in values else OTHER
