"""Counting how many codes were good, for metrics: whoever guesses gets answers that are not.

Why a code is not good is not counted: whoever can read metrics would learn of a guess what the answer keeps
from him.
"""

from collections.abc import Sequence

from vault import metrics
from vault.model.states import Detail
from vault.service.answering.judge import Judgement


class Verdicts:
    """Counts what was answered; to be made once metrics are started."""

    def __init__(self) -> None:
        self._good = metrics.bound("codes_judged", verdict="good")
        self._not_good = metrics.bound("codes_judged", verdict="not_good")

    def tell(self, judgements: Sequence[Judgement]) -> None:
        """Count the codes that were judged."""
        good = 0
        for judgement in judgements:
            good += judgement.detail is Detail.GOOD
        if good:
            self._good.add(good)
        if good < len(judgements):
            self._not_good.add(len(judgements) - good)
