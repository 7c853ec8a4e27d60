"""Backups of a vault that serves, and what a restored vault says to a code: nothing, until it is started."""

import json
import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest

from tests.postgres import cluster
from tests.system.places import another, cardvault, make_codes, new_store, redeem, refused, set_store, told, verdicts
from tests.system.running import Running
from vault.stores.postgres import Address, dump
from vault.v1 import resources_pb2 as resources

__all__ = ["cluster"]

GOOD, NOT_GOOD = {resources.VERDICT_GOOD}, {resources.VERDICT_NOT_GOOD}
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgres"])


def make(folder: Path, kind: str, request: pytest.FixtureRequest) -> Running:
    """Make a vault over a store of a kind."""
    store = new_store(kind, request, "vault")
    return Running(folder, dsn=store.get("dsn", ""), workers=1)


@KINDS
async def test_a_serving_vault_is_backed_up_and_restored_with_every_program_stopped(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    vault = make(tmp_path / "vault", kind, request)
    config = vault.configuration
    backup = tmp_path / "backup"
    vault.start()
    try:
        codes = await make_codes(vault)
        made = told("backup", "--config", config, backup)
        await redeem(vault, codes[0])
        assert await verdicts(vault, codes[:1]) == NOT_GOOD
    finally:
        vault.stop()
    assert made["unconfirmed_root_versions"] == [1]
    assert made["tables"]["card"] == len(codes)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (backup, tmp_path / "backup.json")} == {0o600}
    assert json.loads((tmp_path / "backup.json").read_text())["content_sha256"] == made["content_sha256"]

    set_store(config, **new_store(kind, request, "restored"))
    done = told("restore", "--config", config, backup)
    assert done["content_sha256"] == made["content_sha256"]
    assert done["tables"] == made["tables"]
    assert done["stopped_programs"] == ["netcash"]
    vault.start()
    try:
        assert await verdicts(vault, codes) == NOT_GOOD
        told("program", "start", "netcash", "--profile", profile(vault, "operator"))
        assert await verdicts(vault, codes) == GOOD, "the code that was spent has come back, as the restore has said"
    finally:
        vault.stop()


def profile(vault: Running, caller: str) -> Path:
    """Return a caller's profile, for the address that the vault has."""
    path = vault.folder / "profiles" / f"{caller}.toml"
    path.write_text(path.read_text().replace('server = "127.0.0.1:0"', f'server = "{vault.address}"'))
    return path


@KINDS
def test_people_are_told_what_to_do_next(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    vault = make(tmp_path / "vault", kind, request)
    config, backup = vault.configuration, tmp_path / "backup"
    done = cardvault("backup", "--config", config, backup)
    assert "nobody has confirmed a copy of the root key" in done.stdout
    assert f"cardvault keys confirm-copy --config {config}" in done.stdout

    copy = tmp_path / "copy.key"
    shutil.copy(vault.folder / "root.key", copy)
    assert "the root key's file itself" in refused(
        "keys", "confirm-copy", "--config", config, vault.folder / "root.key"
    )
    assert told("keys", "confirm-copy", "--config", config, copy) == {"confirmed_root_versions": [1]}
    done = cardvault("backup", "--config", config, tmp_path / "again")
    assert done.returncode == 0
    assert "nobody" not in done.stdout

    set_store(config, **new_store(kind, request, "restored"))
    done = cardvault("restore", "--config", config, tmp_path / "again")
    assert done.returncode == 0, done.stderr
    assert "There is no program in it" in done.stdout
    assert told("backup", "--config", config, tmp_path / "third")["unconfirmed_root_versions"] == []


@KINDS
def test_nothing_is_overwritten(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    vault = make(tmp_path / "vault", kind, request)
    config, backup = vault.configuration, tmp_path / "backup"
    told("backup", "--config", config, backup)
    before = backup.read_bytes()
    assert "nothing is overwritten" in refused("backup", "--config", config, backup)
    (tmp_path / "other.json").touch()
    assert "nothing is overwritten" in refused("backup", "--config", config, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert backup.read_bytes() == before
    line = refused("restore", "--config", config, backup)
    assert "(STORE_EXISTS)" in line or "(VAULT_IN_USE)" in line


@KINDS
def test_a_backup_opens_nothing_without_its_root_key(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    vault = make(tmp_path / "vault", kind, request)
    backup = tmp_path / "backup"
    told("backup", "--config", vault.configuration, backup)
    there = Running(tmp_path / "there", migrate=False)
    config = set_store(there.configuration, **new_store(kind, request, "vault"))
    line = refused("restore", "--config", config, backup)
    assert "opens nothing without it (ROOT_KEY)" in line
    assert list((tmp_path / "there" / "data").iterdir()) == []
    shutil.copy(vault.folder / "root.key", there.folder / "root.key")
    told("restore", "--config", config, backup)


def test_a_restore_that_died_leaves_nothing_that_serves(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    vault = make(tmp_path / "vault", "postgres", request)
    config, backup = vault.configuration, tmp_path / "backup"
    told("backup", "--config", config, backup)
    store = new_store("postgres", request, "restored")
    set_store(config, **store)
    dump.restore(Address(store["dsn"]), backup)
    assert "not initialised" in cardvault("check-config", "--config", config).stdout
    assert "is not initialised" in cardvault("serve", "--config", config).stderr
    assert "exists already" in refused("migrate", "--config", config)
    assert "(TARGET_NOT_EMPTY)" in refused("restore", "--config", config, backup)
    told("restore", "--config", config, backup, "--restart")
    assert "not initialised" not in cardvault("check-config", "--config", config).stdout


@KINDS
def test_another_content_than_the_digest_says_is_refused(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    vault = make(tmp_path / "vault", kind, request)
    config, backup = vault.configuration, tmp_path / "backup"
    made = told("backup", "--config", config, backup)
    set_store(config, **new_store(kind, request, "restored"))
    assert "(CONTENT_DIGEST)" in refused("restore", "--config", config, backup, "--digest", "ab" * 32)
    assert "64 hexadecimal digits" in refused("restore", "--config", config, backup, "--digest", "ab")
    (tmp_path / "backup.json").unlink()
    assert "--no-digest" in refused("restore", "--config", config, backup)
    (tmp_path / "backup.json").write_text("{}")
    assert "(BACKUP)" in refused("restore", "--config", config, backup)
    told("restore", "--config", config, backup, "--digest", made["content_sha256"])


def test_a_forged_row_is_told_by_the_backup_and_refused_by_the_restore(tmp_path: Path) -> None:
    vault = Running(tmp_path / "vault")
    connection = sqlite3.connect(vault.folder / "data" / "vault.db")
    connection.execute("INSERT INTO tally VALUES ('netcash', 1, -1000, x'00')")
    connection.commit()
    connection.close()
    backup = tmp_path / "backup"
    assert "table tally" in told("backup", "--config", vault.configuration, backup)["problem"]
    config = another(vault.configuration, "other", path="data/other.db")
    line = refused("restore", "--config", config, backup)
    assert "rows not as the vault wrote them: 1; the first: a row of table tally" in line
    assert "--accept-forged" in line
    assert not (vault.folder / "data" / "other.db").exists()
    done = cardvault("restore", "--config", config, backup, "--accept-forged")
    assert done.returncode == 3, "done in part"
    assert "all other rows are what the vault wrote" in done.stdout
    assert "table tally" in done.stdout
    assert "not initialised" not in cardvault("check-config", "--config", config).stdout


def test_a_damaged_or_a_wrong_file_is_no_backup(tmp_path: Path) -> None:
    vault = Running(tmp_path / "vault")
    backup = tmp_path / "backup"
    told("backup", "--config", vault.configuration, backup)
    config = another(vault.configuration, "other", path="data/other.db")
    whole = backup.read_bytes()
    backup.write_bytes(whole[: len(whole) // 2])
    refused("restore", "--config", config, backup)
    backup.write_bytes(b"PGDMP" + whole)
    assert "cardvault move" in refused("restore", "--config", config, backup)
    backup.write_bytes(b"something else")
    assert "not a backup" in refused("restore", "--config", config, backup)
    assert list((vault.folder / "data").glob("*other*")) == []


def test_a_file_left_beside_the_store_is_not_mixed_with_the_backup(tmp_path: Path) -> None:
    vault = Running(tmp_path / "vault")
    backup = tmp_path / "backup"
    told("backup", "--config", vault.configuration, backup)
    config = another(vault.configuration, "other", path="data/other.db")
    (vault.folder / "data" / "other.db-wal").write_bytes(b"of another database")
    assert "other.db-wal exists" in refused("restore", "--config", config, backup)


def test_a_dump_without_postgresqls_programs_says_what_to_install(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = make(tmp_path / "vault", "postgres", request)
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    line = refused("backup", "--config", vault.configuration, tmp_path / "backup")
    assert "pg_dump is not there: install" in line
    assert list(tmp_path.glob("backup*")) == []
