"""Programs and keys in memory: what is loaded, from what, and when again."""

from pathlib import Path

import pytest

from tests.workshop import Clock, Workshop, parts_over
from vault.custody.file import FileCustody
from vault.errors import FailedPrecondition
from vault.model.shape import SHAPES
from vault.model.states import KeyPurpose, KeyState
from vault.service.keys import KeyMaker
from vault.service.upkeep.initialise import initialise
from vault.stores.protocol import Transaction
from vault.stores.sqlite import SqliteStore, migrate


async def test_a_vault_without_keys_says_what_to_do(tmp_path: Path) -> None:
    custody = FileCustody.create(tmp_path / "root.key")
    migrate(tmp_path / "vault.db")
    store = SqliteStore.open(tmp_path / "vault.db")
    try:
        with pytest.raises(FailedPrecondition, match="cardvault migrate") as refused:
            await store.read(parts_over(store, custody, Clock()).recorder.catalogue.at)
        assert refused.value.reason == "VAULT_NOT_INITIALISED"
    finally:
        await store.close()


async def test_a_vault_is_initialised_once(shop: Workshop) -> None:
    before = shop.database.dump()
    keys = KeyMaker(shop.parts.custody, shop.parts.random)
    assert not await shop.store.transact(lambda tx: initialise(tx, keys, random=shop.parts.random, now_ms=1))
    assert shop.database.dump() == before


async def test_a_snapshot_is_kept_while_nothing_changes(shop: Workshop) -> None:
    await shop.program()
    at = shop.recorder.catalogue.at
    one, other = await shop.store.read(at), await shop.store.read(at)
    assert one is other is shop.recorder.catalogue.latest
    await shop.programs.update(shop.call(), "netcash", {"display_name": "New"}, "")
    newer = await shop.store.read(at)
    assert newer.number > one.number
    assert (one.programs["netcash"].display_name, newer.programs["netcash"].display_name) == ("netcash", "New")


async def test_a_destroyed_key_is_left_where_it_is(shop: Workshop) -> None:
    await shop.program()

    def destroy(tx: Transaction) -> None:
        scope = shop.recorder.scope(tx)
        (row,) = (row for row in scope.snapshot.key_rows if row.purpose == KeyPurpose.CHECKPOINT)
        gone = row._replace(state=KeyState.DESTROYED, wrapped_key=b"")
        tx.keys.update(scope.snapshot.tagger.tagged(SHAPES["key_version"], gone))
        shop.recorder.catalogue.bump(tx)

    await shop.store.transact(destroy)
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    assert not snapshot.keyring.versions(KeyPurpose.CHECKPOINT)
    assert KeyPurpose.CHECKPOINT not in {row.purpose for row in await shop.public_keys.all(shop.call())}
