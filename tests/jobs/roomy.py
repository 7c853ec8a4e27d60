"""Boxes that hold any chunk: how many chunks a job has then follows from the test, and not from the machine's speed."""

import pytest

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
