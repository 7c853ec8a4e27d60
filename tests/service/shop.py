"""The fixture that most tests of the service, its jobs and its audit begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stores.patience import patient
from tests.workshop import Workshop, workshop
from vault.stores.postgres import Address

__all__ = ["patient", "shop", "shop_address"]


@pytest.fixture(params=["sqlite", "postgres"])
def shop_address(request: pytest.FixtureRequest) -> Address | None:
    """Choose the store that ``shop`` has: every test that asks for it runs on each."""
    return request.getfixturevalue("address") if request.param == "postgres" else None


@pytest.fixture
async def shop(tmp_path: Path, shop_address: Address | None) -> AsyncIterator[Workshop]:
    """Open a new vault."""
    async with workshop(tmp_path, address=shop_address) as made:
        yield made
