"""Backups older than the destruction of a key: they open nothing of it, and by today's keys what must live."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.jobs.keymoves import move
from tests.postgres import cluster
from tests.service.database import Database
from tests.service.postgres_database import PostgresDatabase
from tests.system.places import another, new_store, refused, told
from tests.system.running import Running
from tests.workshop import Clock, Workshop
from vault import config
from vault.crypto.keyring import key_context
from vault.errors import IntegrityFailure
from vault.model.states import CardState, Detail, JobKind, KeyPurpose, KeyState
from vault.service.issuing.delivery import Delivery, OpenedCode
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector
from vault.wiring.parts import assemble, open_custody, open_store

__all__ = ["cluster"]

PLAN = CardPlan(payload=b"a record", state=CardState.ACTIVE)
MOVES = {JobKind.REKEY: KeyPurpose.INDEX, JobKind.REWRAP: KeyPurpose.WRAPPING, JobKind.RETAG: KeyPurpose.ROW_TAG}


@asynccontextmanager
async def living(configuration: Path, *, looks: bool = True) -> AsyncIterator[Workshop]:
    """Open the vault that a configuration names, in this process.

    Looking at a PostgreSQL database's rows adds a column to its tables, which a backup is not to have.
    """
    loaded = config.load(configuration)
    store = open_store(loaded)
    try:
        parts = await assemble(loaded, store, open_custody(loaded))
        postgres = looks and loaded.store.kind == "postgres"
        database = PostgresDatabase(loaded.store.dsn) if postgres else Database(loaded.store.path)
        clock = Clock()
        clock.now_ms = 4_000_000_000_000
        yield Workshop(parts, clock, database)
    finally:
        await store.close()


async def start(shop: Workshop) -> None:
    """Start every program."""
    for row in shop.database.rows("program"):
        await shop.programs.turn(shop.call(), row["program"], "start", note="", etag="")


@pytest.mark.parametrize("kind", MOVES)
@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_an_old_backup_opens_nothing_of_a_destroyed_key_and_the_rest_by_todays_keys(
    tmp_path: Path, kind: JobKind, store: str, request: pytest.FixtureRequest
) -> None:
    vault = Running(tmp_path / "vault", dsn=new_store(store, request, "vault").get("dsn", ""))
    live, purpose = vault.configuration, MOVES[kind]
    program = "" if kind == JobKind.RETAG else "netcash"
    async with living(live, looks=False) as shop:
        await shop.program()
        await shop.program("other")
        issued = {name: (await shop.issue(4, name, plan=PLAN)).codes[0] for name in ("netcash", "other")}
        (old_key,) = (row for row in await shop.store.read(lambda tx: tx.keys.all()) if row[:2] == (purpose, program))
    backup = tmp_path / "backup"
    made = told("backup", "--config", live, backup)
    async with living(live) as shop:
        await move(shop, kind)
        await shop.program("third")
        await shop.destruction.destroy(shop.call(request_id=uuid4()), purpose, program, 1, validate_only=False)
        vault_id = (await shop.store.read(shop.recorder.catalogue.at)).vault_id
        with pytest.raises(IntegrityFailure):
            shop.parts.custody.unwrap(old_key.wrapped_key, key_context(vault_id, purpose, program, 1))

    restored = another(live, "restored", **new_store(store, request, "restored"))
    line = refused("restore", "--config", restored, backup)
    assert "(ROOT_KEY)" in line
    assert "was destroyed" in line
    if kind == JobKind.RETAG:
        assert "(ROW_TAG)" in refused("restore", "--config", restored, backup, "--keys-from", live)
        return
    done = told("restore", "--config", restored, backup, "--keys-from", live)
    assert done["content_sha256"] != made["content_sha256"], "the rows of keys are today's"
    assert done["tables"]["code"] == made["tables"]["code"]
    assert done["programs_to_rekey"] == (["netcash"] if kind == JobKind.REKEY else [])
    async with living(restored) as shop:
        await start(shop)
        await check(shop, kind, issued)


async def check(shop: Workshop, kind: JobKind, issued: dict[str, OpenedCode]) -> None:
    """Check that a restored vault opens what must live, and nothing of what was destroyed."""

    async def detail(name: str) -> Detail:
        (judgement,) = await shop.judge(issued[name].code.expose(), programs=(name,))
        return judgement.detail

    async def reveal(name: str) -> bytes:
        selector = Selector(issued[name].card_id)
        (code,) = (await shop.reveal.reveal(shop.call(), name, selector, Delivery(), "test")).codes
        return code.code.expose()

    assert not shop.database.rows("key_version", program="third")
    (gone,) = shop.database.rows("key_version", purpose=MOVES[kind], program="netcash", version=1)
    assert (gone["state"], gone["wrapped_key"]) == (KeyState.DESTROYED, b"")
    assert await detail("other") == Detail.GOOD
    assert await reveal("other") == issued["other"].code.expose()
    if kind == JobKind.REKEY:
        assert await detail("netcash") == Detail.UNKNOWN
        assert (await move(shop, JobKind.REKEY))["error_count"] == 0
        assert await detail("netcash") == Detail.GOOD
        assert await reveal("netcash") == issued["netcash"].code.expose()
        return
    assert await detail("netcash") == Detail.GOOD, "a digest needs no wrapping key"
    with pytest.raises(IntegrityFailure):
        await reveal("netcash")
    with pytest.raises(IntegrityFailure):
        await shop.records.get(shop.call(), "netcash", Selector(issued["netcash"].card_id))


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_keys_of_another_vault_or_older_ones_are_not_taken(
    tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    vault = Running(tmp_path / "vault", dsn=new_store(store, request, "vault").get("dsn", ""))
    live = vault.configuration
    async with living(live, looks=False) as shop:
        await shop.program()
    told("backup", "--config", live, tmp_path / "early")
    early = another(live, "early", **new_store(store, request, "early"))
    told("restore", "--config", early, tmp_path / "early")
    async with living(live, looks=False) as shop:
        await shop.program("other")
    told("backup", "--config", live, tmp_path / "late")
    restored = another(live, "restored", **new_store(store, request, "restored"))
    assert "older than the backup" in refused("restore", "--config", restored, tmp_path / "late", "--keys-from", early)
    stranger = Running(tmp_path / "stranger", dsn=new_store(store, request, "stranger").get("dsn", ""))
    line = refused("restore", "--config", restored, tmp_path / "late", "--keys-from", stranger.configuration)
    assert "another vault's" in line
    database = tmp_path / "vault" / "data" / "vault.db"
    if store == "sqlite":
        told("restore", "--config", restored, tmp_path / "late", "--keys-from", database)
