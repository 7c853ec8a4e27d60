from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stores.patience import patient
from vault.stores.sqlite import SqliteStore, migrate

__all__ = ["patient"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    migrate(path)
    return path


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(database, cache_mib=4)
    yield opened
    await opened.close()


@pytest.fixture
async def another(database: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore.open(database, cache_mib=4)
    yield opened
    await opened.close()
