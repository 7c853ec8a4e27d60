"""Processes of their own that report, as prometheus_client allows one folder a process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from vault import metrics

ROOT = Path(__file__).parents[2]
PRELUDE = """
import os, sys, signal, subprocess
from vault import metrics
from tests.metrics import reporter
def child(script):
    prelude = "import os, signal\\nfrom tests.metrics import reporter\\nreporter.metrics.start()\\n"
    process = subprocess.Popen([sys.executable, "-c", prelude + script])
    process.wait()
    return process.pid
def shown(place):
    return metrics.exposition(place, "")[0].decode()
"""


def run(script: str) -> str:
    """Run a script in a process of its own, and return what it wrote."""
    environment = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + textwrap.dedent(script)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def report() -> None:
    """Report a refused submission, a call and two gauges."""
    metrics.submission_refused("replayed")
    metrics.bound("call_seconds", method="GetCard", outcome="ok").add(0.004)
    put(2)


def put(value: float) -> None:
    """Set gauges of each kind; the store is reached where the value is 5."""
    for name in ("writer_queue", "holds", "certificate_days_left"):
        metrics.put(name, value)
    metrics.put("store_reachable", value == 5)


def samples(text: str) -> dict[str, float]:
    """Return the samples of an exposition by name and labels."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}
