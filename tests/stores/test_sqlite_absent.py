"""What is not there is read like what is, and is still not there."""

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.samples import PROGRAM, card, code, new_id
from vault.stores.sqlite.cards import SqliteCards
from vault.stores.sqlite.codes import SqliteCodes
from vault.stores.sqlite.connection import connect


class Counted:
    """A connection that counts the rows that come through it."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, cache_mib=1)
        self.connection.row_factory = self._row
        self.rows = 0

    def _row(self, _: sqlite3.Cursor, row: tuple[Any, ...]) -> tuple[Any, ...]:
        self.rows += 1
        return row

    def since(self) -> int:
        """Return the rows that came since this was last asked."""
        rows, self.rows = self.rows, 0
        return rows


@pytest.fixture
def counted(database: Path) -> Iterator[Counted]:
    counted = Counted(database)
    yield counted
    counted.connection.close()


def test_a_digest_without_a_code_takes_reading_a_row_too(counted: Counted) -> None:
    codes, there = SqliteCodes(counted.connection), [code(os.urandom(32), new_id()) for _ in range(2)]
    codes.claim(there)
    absent = os.urandom(32)
    assert codes.by_digest([absent]) == {}
    counted.since()
    for row in there:
        assert codes.by_digest([row.digest]) == {row.digest: row}
        assert counted.since() == 1
        assert codes.by_digest([absent]) == {}
        assert counted.since() == 1
    assert codes.by_digest([absent, there[0].digest]) == {there[0].digest: there[0]}


def test_an_id_without_a_card_takes_reading_a_row_of_its_program_too(counted: Counted) -> None:
    cards, there = SqliteCards(counted.connection), [card(new_id()) for _ in range(2)]
    other = card(new_id())._replace(program="gift")
    cards.insert([*there, other])
    assert cards.get(PROGRAM, [new_id()]) == {}
    counted.since()
    for row in there:
        assert cards.get(PROGRAM, [row.card_id]) == {row.card_id: row}
        assert counted.since() == 1
        assert cards.get(PROGRAM, {new_id()}) == {}
        assert counted.since() == 1
    assert cards.get("gift", [there[0].card_id]) == {}
    assert cards.get("gift", [other.card_id]) == {other.card_id: other}
    assert cards.get(PROGRAM, [other.card_id]) == {}


def test_a_code_that_is_given_back_stands_in_for_none_and_harms_nothing(counted: Counted) -> None:
    codes, row = SqliteCodes(counted.connection), code(os.urandom(32), new_id())
    codes.claim([row])
    assert codes.by_digest([row.digest]) == {row.digest: row}
    codes.delete([row.digest])
    assert codes.by_digest([row.digest]) == {}
    assert codes.by_digest([os.urandom(32)]) == {}
