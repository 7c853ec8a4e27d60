"""What the vault counts and measures for Prometheus.

``table`` says what, ``reporting`` how, ``files`` collects.

1. No label holds a card, code, principal, program or caller's word: the values of every label are a fixed set.
2. Counts are added up over the vault's processes and outlive each of them.
3. Reporting costs a call microseconds, and a process that nobody collects from nothing.

It is at the bottom of the house: every module may report, but for the client's, which does without
prometheus_client. Written in each process's own mapped files (prometheus_client's multiprocess mode) rather
than asked for over a pipe (decided 2026-11-23): what a process has counted is there after SIGKILL, and nobody
has to answer while he is busy.
"""

from vault.metrics.files import exposition, process_ended, store_reachable
from vault.metrics.reporting import Bound, bound, collecting, count, put, start, submission_refused
from vault.metrics.table import METRICS, Metric

__all__ = [
    "METRICS",
    "Bound",
    "Metric",
    "bound",
    "collecting",
    "count",
    "exposition",
    "process_ended",
    "put",
    "start",
    "store_reachable",
    "submission_refused",
]
