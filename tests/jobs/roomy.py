"""Chunks of a size that a test chooses: how many a job has then follows from the test, not from the machine's speed."""

import pytest

from vault.jobs import runner
from vault.jobs.close_batch import CloseBatch
from vault.jobs.drain import Drain
from vault.jobs.issue_batch import IssueBatch
from vault.jobs.reissue import ReissueCards
from vault.jobs.rekey import Rekey

ROOMY_SECONDS = 3600.0


def make_boxes_roomy(patch: pytest.MonkeyPatch) -> None:
    """Have every kind of job take a chunk of any size, and the next one be twice as large up to the largest."""
    for kind in (CloseBatch, Drain, IssueBatch, ReissueCards, Rekey):
        patch.setattr(kind, "box_seconds", ROOMY_SECONDS)


def make_chunks_small(patch: pytest.MonkeyPatch, first: int, largest: int, idle_seconds: float = 0.02) -> None:
    """Have jobs begin with chunks of ``first`` cards or rows and grow them to ``largest``; idle lanes look often."""
    patch.setattr(runner, "FIRST_CHUNK", first)
    patch.setattr(runner, "LARGEST_CHUNK", largest)
    patch.setattr(runner, "IDLE_SECONDS", idle_seconds)
    make_boxes_roomy(patch)
