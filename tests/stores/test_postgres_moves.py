"""How PostgreSQL goes about the end of a re-key: each old row by its place, its newer one by an index, none twice."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from vault.stores.postgres import Address
from vault.stores.postgres.deadline import Line
from vault.stores.postgres.moves import PostgresMoves
from vault.stores.postgres.session import REPEATABLE_READ, Session
from vault.stores.postgres.statements import Answer

ROWS = 3000
_FILL = f"""
    INSERT INTO code SELECT sha256(('{{0}}' || n)::bytea), {{0}}, 'netcash', substr(sha256(n::text::bytea), 1, 16),
        1, 'serial', repeat('s', 60)::bytea, repeat('w', 65)::bytea, 'tag' FROM generate_series(1, {ROWS}) AS n
"""


class Watched(Session):
    """A session that notes what it is asked to run."""

    asked: list[tuple[str, Sequence[Any]]]

    def run(self, query: str, values: Sequence[Any] = ()) -> Answer:
        self.asked.append((query, values))
        return super().run(query, values)


@pytest.fixture
def session(address: Address) -> Iterator[Watched]:
    with psycopg.connect(address.dsn, autocommit=True) as connection:
        for version in (1, 2):
            connection.execute(_FILL.format(version).encode())
    made = Watched(address, Line(10.0), REPEATABLE_READ)
    made.asked = []
    made.begin()
    yield made
    made.drop()


def _plan(session: Watched, beginning: str) -> str:
    query, values = next(asked for asked in session.asked if asked[0].startswith(beginning))
    return "\n".join(line for (line,) in session.run(f"EXPLAIN {query}", values).rows)


@pytest.mark.parametrize("analysed", [False, True])
def test_a_newer_row_is_looked_for_by_its_card_and_old_rows_are_gone_through_once(
    session: Watched, analysed: bool
) -> None:
    if analysed:
        session.command("ANALYZE code")
    moves = PostgresMoves(session)
    assert moves.lacking("netcash", 2, b"", 1000) == []
    count, position = moves.clear("netcash", 2, b"", 1000)
    assert (count, bool(position)) == (1000, True)
    for beginning, scan in (("SELECT * FROM (SELECT digest", "Seq Scan on code"), ("DELETE", "Tid Range Scan on code")):
        plan = _plan(session, beginning)
        assert scan in plan
        assert "code_card" in plan
        assert "Nested Loop" not in plan
    assert moves.clear("netcash", 2, position, ROWS) == (ROWS - 1000, b"")
    assert moves.clear("netcash", 2, b"", ROWS) == (0, b"")
