"""PostgreSQL's migrated schema is that of the shapes and can be sharded; unfit databases are refused."""

import re
import threading
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest

from tests.postgres import Cluster
from vault.errors import FailedPrecondition, Unavailable
from vault.model.shape import SHAPES, Shape
from vault.stores.migrations import MIGRATIONS, Migration
from vault.stores.postgres import Address, PostgresStore, check_schema, migrate, schema

OWN_TABLES = {"catalogue", "migration", "process"}
TYPES = {int: "bigint", str: "text", bytes: "bytea", float: "double precision"}
README = Path(__file__).parents[2] / "README.md"
COMMAND = re.compile(
    r"^SELECT (create_reference_table|citus_add_local_table_to_metadata|create_distributed_table)"
    r"\('(\w+)'(?:, '(\w+)', colocate_with => '(\w+)')?\);$",
    re.MULTILINE,
)
LOCKED = {"job", "process", "request", "key_use", "tally", "attempt", "superseded_use"}
"""Locked by rows, or changed by the clock: Citus takes neither over several shards."""


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[str]:
    name = cluster.create()
    yield name
    cluster.drop(name)


def expected_type(kind: Any) -> tuple[str, bool]:
    choices = [choice for choice in get_args(kind) if choice is not type(None)]
    plain = choices[0] if choices else kind
    return TYPES[int if issubclass(plain, IntEnum) else plain], not choices


def test_the_tables_are_those_of_the_shapes_without_sequences_and_foreign_keys(cluster: Cluster, template: str) -> None:
    kinds = cluster.execute(
        "SELECT relname, relkind::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind <> 'i'",
        template,
    )
    assert {(name, kind) for name, kind in kinds} == {(name, "r") for name in set(SHAPES) | OWN_TABLES}
    kept = cluster.execute("SELECT DISTINCT contype::text FROM pg_constraint WHERE connamespace = 2200", template)
    assert kept == [("p",)]
    made = cluster.execute("SELECT count(*) FROM pg_attrdef", template)
    made += cluster.execute("SELECT count(*) FROM pg_trigger", template)
    assert made == [(0,), (0,)], "nothing is computed by the database"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_a_table_has_the_columns_and_the_unique_key_of_its_shape_and_no_others(
    cluster: Cluster, template: str, shape: Shape
) -> None:
    columns = cluster.execute(
        f"""SELECT attname, format_type(atttypid, NULL), attnotnull, collname FROM pg_attribute
        LEFT JOIN pg_collation ON pg_collation.oid = attcollation
        WHERE attrelid = '{shape.table}'::regclass AND attnum > 0 ORDER BY attnum""",
        template,
    )
    assert [row[0] for row in columns] == list(shape.columns)
    assert [(row[1], row[2]) for row in columns] == [expected_type(kind) for kind in get_type_hints(shape.row).values()]
    assert {row[3] for row in columns if row[1] == "text"} <= {"C"}, "text is in the order of its bytes"
    unique = cluster.execute(
        f"""SELECT ARRAY(SELECT attname::text FROM unnest(indkey) WITH ORDINALITY AS part (number, place)
            JOIN pg_attribute ON attrelid = indrelid AND attnum = number ORDER BY place)
        FROM pg_index WHERE indrelid = '{shape.table}'::regclass AND indisunique""",
        template,
    )
    assert unique == [(list(shape.key),)]


class Place(NamedTuple):
    """The command that README gives for a table on Citus, its shard key and its neighbour (empty: not sharded)."""

    command: str
    column: str
    neighbour: str


def placed() -> dict[str, Place]:
    """Return where README places each table on Citus."""
    text = README.read_text(encoding="utf-8")
    section = text.partition("\n### 4. A distributed PostgreSQL\n")[2].partition("\n### ")[0]
    found = COMMAND.findall(section)
    assert len(found) == section.count("\nSELECT "), "every command in README's section 4 is understood"
    assert len(found) == len({table for _, table, *_ in found}), "a table has one command"
    return {table: Place(command, *where) for command, table, *where in found}


def test_readme_says_where_each_table_goes_on_a_distributed_postgresql(cluster: Cluster, template: str) -> None:
    tables = {
        str(name)
        for (name,) in cluster.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 2200 AND relkind = 'r'", template
        )
    }
    missing = tables - placed().keys()
    assert not missing, (
        f"README, Growing, section 4 has no command for {', '.join(sorted(missing))}: add create_distributed_table "
        "with a column of every unique key if it grows with the cards, create_reference_table if it is small and "
        "read much, else citus_add_local_table_to_metadata"
    )
    assert placed().keys() == tables, "README distributes tables that do not exist"


def test_every_unique_key_holds_the_column_that_shards(cluster: Cluster, template: str) -> None:
    places = placed()
    sharded = {table: place for table, place in places.items() if place.command == "create_distributed_table"}
    assert {"code", "card", "serial"} <= sharded.keys()
    assert not sharded.keys() & LOCKED, "Citus locks rows, and changes them by the clock, on one shard only"
    for table, (_, column, neighbour) in sharded.items():
        assert neighbour == "none" or places[neighbour].column == column, f"{table} is beside others by another key"
        keys = cluster.execute(
            f"""SELECT ARRAY(SELECT attname::text FROM pg_attribute
                WHERE attrelid = indrelid AND attnum = ANY (indkey) AND indkey IS NOT NULL)
            FROM pg_index WHERE indrelid = '{table}'::regclass AND indisunique""",
            template,
        )
        assert keys
        assert all(column in key for (key,) in keys if isinstance(key, list)), f"{table} cannot be sharded by {column}"


def test_every_step_is_written_for_postgresql_too() -> None:
    assert all(len(step.postgres) > 0 for step in MIGRATIONS)


def test_migrating_is_done_once_however_many_try(cluster: Cluster, empty: str) -> None:
    there = Address(cluster.dsn(empty))
    with pytest.raises(FailedPrecondition, match="cardvault migrate") as caught:
        PostgresStore.open(there)
    assert caught.value.reason == "NOT_MIGRATED"
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(there))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for names in done for name in names) == [step.name for step in MIGRATIONS]
    assert migrate(there) == []
    check_schema(there, "0.1.0")


def test_a_step_that_fails_in_its_middle_leaves_nothing(
    cluster: Cluster, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Address(cluster.dsn(empty))
    migrate(there)
    number = len(MIGRATIONS) + 1
    step = Migration(number, f"{number:04} broken", "0.1.0", (), ("CREATE TABLE half (a bigint)", "CREATE NONSENSE"))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    with pytest.raises(Exception, match="SQLSTATE 42601"):
        migrate(there)
    assert cluster.execute("SELECT to_regclass('half')", empty) == [(None,)]
    with pytest.raises(FailedPrecondition, match="cardvault migrate"):
        check_schema(there, "0.1.0")


def test_a_step_that_older_releases_cannot_bear_keeps_them_out(
    cluster: Cluster, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Address(cluster.dsn(empty))
    number = len(MIGRATIONS) + 1
    step = Migration(number, f"{number:04} other", "0.10.0", (), ("CREATE TABLE other (a bigint)",))
    monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, step))
    migrate(there)
    monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
    with pytest.raises(FailedPrecondition, match=r"0\.10\.0") as caught:
        PostgresStore.open(there, vault_release="0.9.9")
    assert caught.value.reason == "SCHEMA_TOO_NEW"
    check_schema(there, "0.10.0")


def test_a_database_that_is_no_vault_is_left_alone(cluster: Cluster, empty: str) -> None:
    cluster.execute("CREATE TABLE migration (a bigint)", empty)
    there = Address(cluster.dsn(empty))
    for attempt in (lambda: migrate(there), lambda: check_schema(there, "0.1.0")):
        with pytest.raises(FailedPrecondition, match="not a vault") as caught:
            attempt()
        assert caught.value.reason == "NOT_A_VAULT"
    assert cluster.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 2200", empty) == [(1,)]


def test_a_database_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    for attempt in (migrate, PostgresStore.open):
        with pytest.raises(Unavailable, match="cannot be reached"):
            attempt(Address(f"host={tmp_path} dbname=x user=y"))


@pytest.mark.parametrize(
    ("dsn", "said"),
    [
        ("host=/tmp password=secret", "must not hold a password"),
        ("host=/tmp sslpassword=secret", "must not hold a password"),
        ("postgresql://ann:secret@db/vault", "must not hold a password"),
        ("host=db sslmode=prefer", "sslmode=prefer"),
        ("host=/tmp,db sslmode=disable", "sslmode=disable"),
        ("hostaddr=10.0.0.1 sslmode=allow", "sslmode=allow"),
        ("no words", "key words"),
    ],
)
def test_an_unfit_address_is_refused_without_repeating_its_secret(dsn: str, said: str) -> None:
    with pytest.raises(FailedPrecondition, match=said) as caught:
        Address(dsn).checked()
    assert "secret" not in caught.value.message


def test_an_address_of_a_replica_prefers_a_standby_and_is_named_when_refused() -> None:
    assert Address("host=/a,/b", replica=True).checked()["target_session_attrs"] == "prefer-standby"
    with pytest.raises(FailedPrecondition, match=r"store\.replica_dsn must not hold a password"):
        Address("host=/a password=secret", replica=True).checked()


def test_a_network_address_verifies_the_server_and_wants_the_primary(tmp_path: Path) -> None:
    words = Address("host=one,two dbname=vault").checked()
    assert words["sslmode"] == "verify-full"
    assert words["target_session_attrs"] == "read-write"
    assert "sslmode" not in Address("host=/run/postgresql").checked()
    assert Address("host=db sslmode=require").checked()["sslmode"] == "require"
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("päss word\n")
    assert Address("host=/run/postgresql", secret).words()["password"] == "päss word"
    secret.chmod(0o644)
    with pytest.raises(FailedPrecondition, match="others"):
        Address("host=/run/postgresql", secret).words()
