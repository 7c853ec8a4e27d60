"""One vault for all tests of a process."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.contract.house import House, house
from tests.system.conftest import cluster, dsn

__all__ = ["cluster", "dsn"]


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("contract") / "vault") as made:
        asyncio.run(made.furnish())
        yield made
