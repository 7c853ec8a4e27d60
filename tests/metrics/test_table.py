import re

import pytest

from vault.metrics.table import METRICS, SUBMISSION_CAUSES, Metric
from vault.model.states import JobKind
from vault.service.answering.submissions import Cause


def test_names_are_unique_and_as_prometheus_wants_them() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"cardvault_[a-z][a-z_]*[a-z]", metric.full_name) for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_a_meaning_and_says_how_it_is_put_together(metric: Metric) -> None:
    assert metric.meaning.endswith(".")
    assert (metric.over in ("sum", "max", "min")) == (metric.kind == "gauge")


def test_only_the_method_has_values_that_the_table_does_not_list() -> None:
    open_labels = {label for metric in METRICS for label, values in metric.labels.items() if values is None}
    assert open_labels == {"method"}


def test_kinds_of_jobs_are_those_that_there_are() -> None:
    kinds = {values for metric in METRICS for label, values in metric.labels.items() if label == "kind"}
    assert kinds == {tuple(kind.name for kind in JobKind)}


def test_causes_for_refusing_a_submission_are_those_that_there_are() -> None:
    assert {cause.name.lower() for cause in Cause} == set(SUBMISSION_CAUSES)
