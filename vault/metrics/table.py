"""Every metric that the vault keeps, in one table; the README's is made from it.

A label's values are a fixed set, or names from the protos. So no card, code, principal, program or caller's
word can become a label, and the number of series is bounded. What is a program's or a key's own is shown as the
greatest over all of them; ``cardvault doctor`` says whose it is.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import vault

PREFIX: Final = "cardvault_"
OTHER: Final = "other"
FROM_PROTOS: Final = None

OUTCOMES: Final = ("ok", "invalid", "denied", "refused", "throttled", "unavailable", "failed", "cancelled")
"""Classes of outcome of a call; ``rpc.calls`` says which status belongs to which."""

SUBMISSION_CAUSES: Final = (
    "damaged",
    "key",
    "audience",
    "program",
    "purpose",
    "old",
    "future",
    "replayed",
)
"""Why a sealed submission is refused; from outside they all look alike."""

JOB_KINDS: Final = ("ISSUE_BATCH", "CLOSE_BATCH", "REISSUE", "REKEY", "REWRAP", "REENCRYPT", "RETAG")
PROCESSES: Final = ("worker", "jobs")
VERDICTS: Final = ("good", "not_good")

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Upper bounds of the histograms' buckets, in seconds."""


class Metric(NamedTuple):
    """One metric.

    ``name`` is without the prefix and, for a counter, without ``_total``; ``labels`` gives each label's values,
    None for names from the protos; ``over`` says how a gauge's values are put together over processes: ``sum``,
    ``max`` or ``min``.
    """

    name: str
    kind: str
    meaning: str
    labels: Mapping[str, tuple[str, ...] | None] = MappingProxyType({})
    over: str = ""

    @property
    def full_name(self) -> str:
        """The name as Prometheus shows it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind == 'counter' else ''}"


METRICS: Final = (
    Metric(
        "call_seconds",
        "histogram",
        "Calls, and the seconds that each took.",
        {"method": FROM_PROTOS, "outcome": OUTCOMES},
    ),
    Metric("calls_in_flight", "gauge", "Calls and streams that are being answered.", over="sum"),
    Metric("calls_waiting", "gauge", "Calls that have come and that no worker has looked at yet.", over="sum"),
    Metric("calls_shed", "counter", "Calls refused before they were read, as there were too many."),
    Metric("calls_not_logged", "counter", "Calls whose log line was left out, there being too many in one second."),
    Metric(
        "codes_judged",
        "counter",
        "Codes that were validated; many that are not good are a sign of guessing.",
        {"verdict": VERDICTS},
    ),
    Metric("submissions_refused", "counter", "Sealed submissions refused, by cause.", {"cause": SUBMISSION_CAUSES}),
    Metric(
        "audit_seconds",
        "histogram",
        "Audit lag: seconds from handing events to the store until they are durable, waiting for the writer included.",
    ),
    Metric("audit_oldest_seconds", "gauge", "Seconds that the oldest event not yet durable has waited.", over="max"),
    Metric("writer_queue", "gauge", "Pieces of work that wait for a writer of the store.", over="sum"),
    Metric("store_reachable", "gauge", "1 while every worker can read the store, 0 when one cannot.", over="min"),
    Metric("jobs_unfinished", "gauge", "Jobs that are running or paused.", {"kind": JOB_KINDS}, over="max"),
    Metric("job_items", "counter", "Cards, codes or rows that jobs have done.", {"kind": JOB_KINDS}),
    Metric("job_rate", "gauge", "What running jobs do in a second, lately.", {"kind": JOB_KINDS}, over="max"),
    Metric(
        "job_seconds_left",
        "gauge",
        "Seconds that running jobs of a kind will still take at this rate; 0 where that is not known.",
        {"kind": JOB_KINDS},
        over="max",
    ),
    Metric(
        "guess_odds_used_ratio",
        "gauge",
        "Codes that may be good, of those that the guess odds allow, in the fullest program; at 1 it issues no more.",
        over="max",
    ),
    Metric(
        "gcm_budget_used_ratio",
        "gauge",
        "Encryptions under the most used active key, of limits.wraps_per_key; at 1 the next version takes over.",
        over="max",
    ),
    Metric("holds", "gauge", "Holds that hold.", over="max"),
    Metric("incidents_open", "gauge", "Incidents that are not closed.", over="max"),
    Metric("principals_blocked", "gauge", "Principals that are cut off, counted for each program.", over="max"),
    Metric("root_copies_missing", "gauge", "Root key versions in use without a confirmed copy.", over="max"),
    Metric("certificate_days_left", "gauge", "Days until the server's certificate expires.", over="min"),
    Metric("processes_ended", "counter", "Processes that ended without being told to.", {"process": PROCESSES}),
    Metric("release_info", "gauge", "1, with the release that runs.", {"release": (vault.__version__,)}, over="max"),
)
"""Every metric."""

BY_NAME: Final = MappingProxyType({metric.name: metric for metric in METRICS})
