"""The fixture that most tests of the service, its jobs and its audit begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.workshop import Workshop, workshop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Workshop]:
    """Open a new vault."""
    async with workshop(tmp_path) as made:
        yield made
