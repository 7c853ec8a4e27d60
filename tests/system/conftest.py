"""Databases for tests of whole systems."""

from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, cluster

__all__ = ["cluster"]


@pytest.fixture
def dsn(cluster: Cluster) -> Iterator[str]:
    """Make an empty PostgreSQL database for one test."""
    name = cluster.create()
    yield cluster.dsn(name)
    cluster.drop(name)
