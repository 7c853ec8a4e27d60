"""A whole small run on PostgreSQL's ground: rows of a vault come back out of the spool and go into a bare database."""

import json
import subprocess
from pathlib import Path

import pytest

from bench.grounds import PostgresGround, SqliteGround, ground_of
from tests.postgres import programs
from vault import config
from vault.cli.development import set_up
from vault.stores.postgres import Address, check_schema


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "vault").mkdir()
    return set_up(tmp_path / "vault")


def test_a_vault_on_sqlite_keeps_its_configuration(configuration: Path) -> None:
    before = configuration.read_text(encoding="utf-8")
    with ground_of("sqlite") as ground:
        assert isinstance(ground, SqliteGround)
        ground.give(configuration)
        assert ground.look_up(configuration, 1, 1.0, 1) is None
    assert configuration.read_text(encoding="utf-8") == before


def test_a_vault_on_postgres_gets_a_durable_database_of_its_own(configuration: Path, tmp_path: Path) -> None:
    programs()
    spool = tmp_path / "rows.spool"
    spool.touch()
    with ground_of("postgres") as ground:
        assert isinstance(ground, PostgresGround)
        ground.give(configuration)
        store = config.load(configuration).store
        assert (store.kind, "dbname=vault1" in store.dsn) == ("postgres", True)
        with ground.watching(configuration):
            ground.begin()
        bare = ground.bare_command(spool, tmp_path)
        check_schema(Address(bare[-1]), "9.9.9")
        done = subprocess.run(bare, check=True, capture_output=True)
        assert json.loads(done.stdout) == {"count": 0, "seconds": 0.0}
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ground.cluster.execute(f"SHOW {name}") == [("on",)]
        ground.leave(configuration)
        assert ground.cluster.execute("SELECT 1 FROM pg_database WHERE datname = 'vault1'") == []
    assert not Path(bare[-1].split()[0].removeprefix("host=")).exists()
