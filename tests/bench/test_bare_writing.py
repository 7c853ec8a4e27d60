"""What is timed of a spool, and what bare writing leaves in a database."""

import json
import pickle
import sqlite3
import subprocess
from pathlib import Path

import psycopg
import pytest

from bench.grounds import PostgresGround, SqliteGround, ground_of
from bench.spool import Changes, Portion, read_spool
from tests.postgres import programs
from vault.model.rows import CardRow, SerialRow
from vault.model.states import CardState, Usage

PROGRAM = "netcash"
TAGS = bytes(21), bytes(range(21))


def card(number: int) -> CardRow:
    return CardRow(
        program=PROGRAM,
        card_id=bytes([number]) * 16,
        batch_id=None,
        batch_position=None,
        state=CardState.INACTIVE,
        usage=Usage.UNUSED,
        generation=1,
        reference="",
        expires_ms=None,
        created_ms=0,
        activated_ms=None,
        redeemed_ms=None,
        redemption_id=None,
        record_version=0,
        sealed_record=None,
        wrapped_record_key=None,
        revision=1,
        tag=TAGS[0],
    )


def serial(number: int) -> SerialRow:
    return SerialRow(PROGRAM, f"A{number}", bytes([number]) * 16, 2, TAGS[0])


def portions() -> list[Portion]:
    cards = [card(1), card(2)]
    renewed = [(2, 2, TAGS[1], PROGRAM, row.card_id) for row in cards]
    changes = Changes(("generation", "revision", "tag"), renewed)
    return [
        Portion(0, {"card": [tuple(row) for row in cards]}, {}),
        Portion(2, {"serial": [tuple(serial(1)), tuple(serial(2))]}, {"card": changes}),
    ]


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "rows.spool"
    with path.open("wb") as file:
        for portion in portions():
            pickle.dump(portion, file)
    return path


LEFT = "SELECT generation, revision FROM card UNION ALL SELECT generation, count(*) FROM serial GROUP BY generation"


def test_a_spool_gives_back_its_portions(spool: Path) -> None:
    assert list(read_spool(spool)) == portions()


def test_bare_writing_on_sqlite_inserts_and_changes_rows_and_counts_the_timed_ones(spool: Path, tmp_path: Path) -> None:
    with ground_of("sqlite") as ground:
        assert isinstance(ground, SqliteGround)
        command = ground.bare_command(spool, tmp_path)
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert (said["count"], said["seconds"] > 0) == (2, True)
    with sqlite3.connect(command[-1]) as connection:
        assert sorted(connection.execute(LEFT)) == [(2, 2), (2, 2), (2, 2)]


def test_bare_writing_on_postgres_does_the_same(spool: Path, tmp_path: Path) -> None:
    programs()
    with ground_of("postgres") as ground:
        assert isinstance(ground, PostgresGround)
        command = ground.bare_command(spool, tmp_path)
        said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        assert (said["count"], said["seconds"] > 0) == (2, True)
        with psycopg.connect(command[-1]) as connection:
            assert sorted(connection.execute(LEFT)) == [(2, 2), (2, 2), (2, 2)]
