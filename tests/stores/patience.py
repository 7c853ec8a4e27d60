"""How long tests let stores wait for others on a busy machine, where production gives up and has its callers decide."""

import pytest

from vault.stores.postgres import store as postgres_store
from vault.stores.postgres import writer
from vault.stores.sqlite import store as sqlite_store

PATIENCE_SECONDS = 90.0


def be_patient(patch: pytest.MonkeyPatch) -> None:
    """Have this process's stores wait so long for those that are in their way, and for work that began earlier."""
    patch.setattr(writer, "PATIENCE_SECONDS", PATIENCE_SECONDS)
    for module in (postgres_store, sqlite_store):
        patch.setattr(module, "SETTLE_SECONDS", PATIENCE_SECONDS)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be patient in every test of the folder whose conftest has this."""
    be_patient(monkeypatch)
