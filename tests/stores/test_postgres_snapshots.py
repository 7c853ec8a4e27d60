"""Work never sees a snapshot that is older than itself, however it is grouped with what came before."""

import asyncio
import time

import psycopg
import pytest

from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.postgres import Address, PostgresStore
from vault.stores.postgres.session import Session


async def test_work_that_comes_after_a_groups_snapshot_gets_a_newer_one(
    address: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore.open(address, deadline_seconds=PATIENCE_SECONDS)
    loop = asyncio.get_running_loop()
    late: list[asyncio.Task[int]] = []
    begin = Session.begin

    def commit_elsewhere_and_ask(session: Session) -> None:
        """Take the snapshot; then another vault commits, and who knows of it asks before the group's work runs."""
        begin(session)
        monkeypatch.setattr(Session, "begin", begin)
        with psycopg.connect(address.dsn, autocommit=True) as connection:
            connection.execute("UPDATE catalogue SET number = 7")
        loop.call_soon_threadsafe(
            lambda: late.append(loop.create_task(store.transact(lambda tx: tx.vault.catalogue_number())))
        )
        until = time.monotonic() + PATIENCE_SECONDS
        while not store.waiting() and time.monotonic() < until:
            time.sleep(0.001)

    try:
        monkeypatch.setattr(Session, "begin", commit_elsewhere_and_ask)
        assert await store.transact(lambda tx: tx.vault.catalogue_number()) == 0
        assert [await task for task in late] == [7]
    finally:
        await store.close()
