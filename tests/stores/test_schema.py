"""The migrated schema is that of the shapes, and unfit files are refused."""

import multiprocessing
import os
import signal
import sqlite3
import stat
from enum import IntEnum
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from tests.stores import children
from tests.stores.patience import PATIENCE_SECONDS
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.shape import SHAPES, Shape
from vault.stores.migrations import MIGRATIONS, Migration, release_number
from vault.stores.sqlite import SqliteStore, check_schema, migrate, schema

NEXT = len(MIGRATIONS) + 1
OWN_TABLES = {"catalogue", "migration", "process"}
TYPES = {int: "INTEGER", str: "TEXT", bytes: "BLOB", float: "REAL"}


def expected_type(kind: Any) -> tuple[str, bool]:
    """Return a column's SQL type and whether it must be there."""
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    plain = choices[0] if choices else kind
    return TYPES[int if issubclass(plain, IntEnum) else plain].replace("INTEGER", "INT"), not choices


def test_the_tables_are_those_of_the_shapes(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        strict = {row[1]: row[5] for row in connection.execute("PRAGMA table_list") if row[1] in tables}
    connection.close()
    assert tables == set(SHAPES) | OWN_TABLES
    assert all(strict.values())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_a_table_has_the_columns_and_the_unique_key_of_its_shape_and_no_others(database: Path, shape: Shape) -> None:
    connection = sqlite3.connect(database)
    columns = connection.execute(f"PRAGMA table_info({shape.table})").fetchall()
    unique = [row[1] for row in connection.execute(f"PRAGMA index_list({shape.table})") if row[2]]
    assert [row[1] for row in columns] == list(shape.columns)
    assert [(row[2].replace("INTEGER", "INT"), bool(row[3])) for row in columns] == [
        expected_type(kind) for kind in get_type_hints(shape.row).values()
    ]
    assert [row[1] for row in sorted(columns, key=lambda row: row[5]) if row[5]] == list(shape.key)
    assert len(unique) == 1
    assert connection.execute(f"PRAGMA foreign_key_list({shape.table})").fetchall() == []
    connection.close()


def test_no_table_counts_a_sequence(database: Path) -> None:
    connection = sqlite3.connect(database)
    texts = [text for (text,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]
    connection.close()
    assert not any("AUTOINCREMENT" in text.upper() or "REFERENCES" in text.upper() for text in texts)


def test_steps_are_numbered_from_one_without_gaps_and_name_a_release() -> None:
    assert [step.number for step in MIGRATIONS] == list(range(1, len(MIGRATIONS) + 1))
    assert [step.name[:4] for step in MIGRATIONS] == [f"{step.number:04}" for step in MIGRATIONS]
    for step in MIGRATIONS:
        assert release_number(step.oldest_release)


def test_migrating_again_does_nothing(database: Path) -> None:
    assert migrate(database) == []


def test_files_are_for_their_owner_only(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE made_for_the_wal (a)")
    connection.commit()
    names = {path.name for path in database.parent.iterdir()}
    assert {"vault.db", "vault.db-wal", "vault.db-shm", "vault.db.lock", "vault.db.next"} <= names
    assert {stat.S_IMODE(path.stat().st_mode) for path in database.parent.iterdir()} == {0o600}
    connection.close()


def test_a_missing_or_empty_file_is_told_to_be_migrated(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    for there in (False, True):
        if there:
            path.touch()
        with pytest.raises(FailedPrecondition, match="cardvault migrate") as caught:
            SqliteStore.open(path)
        assert caught.value.reason == "NOT_MIGRATED"
    assert path.stat().st_size == 0


def test_a_lacking_step_is_told_to_be_migrated(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(NEXT, f"{NEXT:04} more", "0.1.0", ("CREATE TABLE more (a INTEGER) STRICT",))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    with pytest.raises(FailedPrecondition, match="cardvault migrate"):
        check_schema(database, "0.1.0")
    assert migrate(database) == [f"{NEXT:04} more"]
    check_schema(database, "0.1.0")


def test_a_step_that_older_releases_cannot_bear_keeps_them_out(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(NEXT, f"{NEXT:04} other", "0.10.0", ("CREATE TABLE other (a INTEGER) STRICT",))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    migrate(database)
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
    for release in ("0.1.0", "0.9.9"):
        with pytest.raises(FailedPrecondition, match=r"0\.10\.0") as caught:
            SqliteStore.open(database, vault_release=release)
        assert caught.value.reason == "SCHEMA_TOO_NEW"
    for release in ("0.10.0", "0.10.0.dev3", "1.0.0"):
        check_schema(database, release)


def test_a_step_that_older_releases_can_bear_lets_them_in(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(NEXT, f"{NEXT:04} column", "0.1.0", ("ALTER TABLE card ADD COLUMN later INTEGER",))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    migrate(database)
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
    check_schema(database, "0.1.0")


def test_a_step_that_fails_in_its_middle_leaves_nothing(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Migration(NEXT, f"{NEXT:04} broken", "0.1.0", ("CREATE TABLE half (a INTEGER) STRICT", "CREATE NONSENSE"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    with pytest.raises(sqlite3.OperationalError):
        migrate(database)
    connection = sqlite3.connect(database)
    assert connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)
    assert connection.execute("SELECT version FROM migration").fetchall() == [(step.number,) for step in MIGRATIONS]
    connection.close()


@pytest.mark.parametrize("content", [b"a text of some length\n" * 400, None], ids=["no database", "other database"])
def test_a_file_that_is_no_vault_is_left_alone(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "vault.db"
    if content is None:
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE theirs (a)")
        connection.commit()
        connection.close()
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    for attempt in (lambda: migrate(path), lambda: check_schema(path, "0.1.0")):
        with pytest.raises(FailedPrecondition, match="not a vault") as caught:
            attempt()
        assert caught.value.reason == "NOT_A_VAULT"
    assert path.read_bytes() == before


def test_a_directory_that_is_not_there_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="cannot be opened"):
        migrate(tmp_path / "absent" / "vault.db")


async def test_a_damaged_page_is_an_integrity_failure(database: Path) -> None:
    connection = sqlite3.connect(database)
    pages = connection.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'tally'").fetchall()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with database.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
    store = SqliteStore.open(database)
    try:
        with pytest.raises(IntegrityFailure):
            await store.read(lambda tx: tx.tallies.get("netcash"))
        assert await store.read(lambda tx: tx.programs.all()) == []
    finally:
        await store.close()


def test_a_migration_killed_at_any_statement_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    for statement in (0, 1, 7, 15):
        path = tmp_path / f"{statement}.db"
        child = spawn.Process(target=children.migrate_until, args=(path, statement))
        child.start()
        child.join(PATIENCE_SECONDS)
        assert child.exitcode == -signal.SIGKILL
        with pytest.raises(FailedPrecondition, match="cardvault migrate"):
            check_schema(path, "0.1.0")
        assert migrate(path) == [step.name for step in MIGRATIONS]
        check_schema(path, "0.1.0")
        assert os.access(path, os.W_OK)
