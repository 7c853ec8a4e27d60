"""A vault moved from one store into another by real processes."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.postgres import cluster
from tests.system.places import another, cardvault, make_codes, new_store, refused, told, verdicts
from tests.system.running import Running
from tests.workshop import workshop
from vault.config import load
from vault.v1 import resources_pb2 as resources

__all__ = ["cluster"]

ROADS = pytest.mark.parametrize(("source", "target"), [("sqlite", "postgres"), ("postgres", "sqlite")])
CARDS = 6000
STOPPING = '''\
"""Has this process stand still once it has copied its first cards."""

import time

from vault.service.upkeep import moving

loading, tables = moving._loading, []


def load(shape, rows):
    if "card" in tables:
        time.sleep(3600)
    tables.append(shape.table)
    return loading(shape, rows)


moving._loading = load
'''


def content_of(config: Path, folder: Path, name: str) -> Any:
    """Return the content digest of a store by way of a backup, which says what it holds."""
    return told("backup", "--config", config, folder / name)["content_sha256"]


@ROADS
async def test_a_moved_vault_takes_over_and_the_source_is_left(
    tmp_path: Path, source: str, target: str, request: pytest.FixtureRequest
) -> None:
    vault = Running(tmp_path / "vault", dsn=new_store(source, request, "vault").get("dsn", ""), workers=1)
    vault.start()
    to = another(vault.configuration, "to", **new_store(target, request, "target"))
    try:
        codes = await make_codes(vault)
        assert "(SOURCE_IN_USE)" in refused("move", "--config", vault.configuration, "--to", to)
        plan = told("move", "--config", vault.configuration, "--to", to, "--dry-run")
        assert plan["tables"]["code"] == len(codes)
        assert plan["source_in_use_by"]
    finally:
        vault.stop()
    moved = told("move", "--config", vault.configuration, "--to", to)
    assert moved["content_sha256"] == content_of(vault.configuration, tmp_path, "before")
    assert moved["tables"]["card"] == moved["tables"]["serial"] == len(codes)
    assert "(VAULT_IN_USE)" in refused("move", "--config", vault.configuration, "--to", to)
    assert "(SAME_STORE)" in refused("move", "--config", to, "--to", to)
    shutil.copy(to, vault.configuration)
    vault.start()
    try:
        assert await verdicts(vault, codes) == {resources.VERDICT_GOOD}
    finally:
        vault.stop()


def test_a_move_that_is_killed_is_begun_anew(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    vault = Running(tmp_path / "vault")
    to = another(vault.configuration, "to", **new_store("postgres", request, "target"))
    asyncio.run(fill(vault.folder))
    command = [sys.executable, "-m", "vault", "move", "--config", str(vault.configuration), "--to", str(to)]
    (tmp_path / "stopping").mkdir()
    (tmp_path / "stopping" / "sitecustomize.py").write_text(STOPPING)
    path = os.pathsep.join([str(tmp_path / "stopping"), str(Path(__file__).parents[2])])
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    try:
        deadline = time.monotonic() + 300
        while not has_cards(to):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert "not initialised" in cardvault("check-config", "--config", to).stdout
    assert "(TARGET_NOT_EMPTY)" in refused("move", "--config", vault.configuration, "--to", to)
    assert "--yes" in refused("move", "--config", vault.configuration, "--to", to, "--restart")
    moved = told("move", "--config", vault.configuration, "--to", to, "--restart", "--yes")
    assert moved["tables"]["card"] == CARDS
    assert "not initialised" not in cardvault("check-config", "--config", to).stdout


def has_cards(config: Path) -> bool:
    """Return whether cards have arrived in a PostgreSQL store."""
    with psycopg.connect(load(config).store.dsn, autocommit=True) as connection:
        there = connection.execute("SELECT to_regclass('card')").fetchone()
        return there != (None,) and connection.execute("SELECT 1 FROM card LIMIT 1").fetchone() is not None


async def fill(folder: Path) -> None:
    """Fill a vault's file with a batch of cards."""
    shutil.copy(folder / "root.key", folder / "data" / "root.key")
    async with workshop(folder / "data") as shop:
        await shop.program()
        await shop.issued_batch(CARDS)


def test_another_root_key_moves_nothing(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    vault = Running(tmp_path / "vault")
    other = Running(tmp_path / "other", migrate=False)
    for arguments in ([], ["--dry-run"]):
        line = refused("move", "--config", vault.configuration, "--to", other.configuration, *arguments)
        assert "(ROOT_KEY)" in line
