"""The PostgreSQL store passes the suite of all stores, and also at SERIALIZABLE with conflicts all the time."""

import random
from collections.abc import AsyncIterator

import pytest

from tests.contracts.store import StoreContract
from tests.stores.conflicts import conflicting_store
from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.postgres import Address, PostgresStore

COUNTS_RUNS = {
    "test_of_works_that_wait_together_one_that_raises_is_undone_alone",
    "test_callbacks_stay_silent_when_the_work_is_durable",
    "test_a_callback_that_raises_keeps_the_works_own_error",
}
"""What says how often work or a callback runs; under conflicts that is more often."""


class TestPostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, address: Address) -> AsyncIterator[PostgresStore]:
        opened = PostgresStore.open(address, deadline_seconds=PATIENCE_SECONDS)
        yield opened
        await opened.close()

    @pytest.fixture
    async def another(self, address: Address) -> AsyncIterator[PostgresStore]:
        opened = PostgresStore.open(address, deadline_seconds=PATIENCE_SECONDS)
        yield opened
        await opened.close()


class TestSerializablePostgresStore(StoreContract):
    @pytest.fixture
    async def store(self, request: pytest.FixtureRequest, address: Address) -> AsyncIterator[PostgresStore]:
        calm = request.node.originalname in COUNTS_RUNS
        opened, _ = conflicting_store(address, None if calm else random.Random(1))
        yield opened
        await opened.close()

    @pytest.fixture
    async def another(self, address: Address) -> AsyncIterator[PostgresStore]:
        opened, _ = conflicting_store(address, random.Random(2))
        yield opened
        await opened.close()
