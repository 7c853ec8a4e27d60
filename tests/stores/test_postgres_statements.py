from typing import Any

import psycopg
import pytest

from vault.model.states import CardState
from vault.stores.postgres import Address
from vault.stores.postgres.deadline import Line
from vault.stores.postgres.session import READ_ONLY, Session
from vault.stores.postgres.statements import Statements

PREPARED = b"SELECT count(*) FROM pg_prepared_statements"


@pytest.fixture
def connection(address: Address) -> Any:
    with psycopg.connect(address.dsn, autocommit=True, prepare_threshold=None) as made:
        yield made


def prepared(connection: Any) -> int:
    return int(connection.execute(PREPARED).fetchone()[0])


def test_values_travel_as_they_are(connection: Any) -> None:
    statements = Statements(connection, 10)
    query = "SELECT %b::bytea, %b::text, %b::bigint, %b::double precision, %b::bigint, %b::text"
    values = (b"\0\xff", "Grüße", -(1 << 40), 0.1, CardState.ACTIVE, None)
    assert statements.run(query, values).fetchall() == [values]
    assert statements.run(query, values).fetchone() == values


def test_a_statement_stays_prepared_over_a_rollback(connection: Any) -> None:
    statements = Statements(connection, 10)
    statements.command("BEGIN")
    statements.run("SELECT 1 WHERE 1 = %b", (1,))
    statements.command("ROLLBACK")
    assert prepared(connection) == 1
    assert statements.run("SELECT 1 WHERE 1 = %b", (1,)).rowcount == 1
    assert prepared(connection) == 1


def test_no_more_statements_are_kept_than_allowed(connection: Any) -> None:
    statements = Statements(connection, 2)
    for number in range(5):
        assert statements.run(f"SELECT {number} WHERE 1 = %b", (1,)).fetchall() == [(number,)]
    assert prepared(connection) == 2
    assert statements.run("SELECT 0 WHERE 1 = %b", (1,)).fetchall() == [(0,)]


def test_nothing_is_prepared_where_none_may_be(connection: Any) -> None:
    statements = Statements(connection, 0)
    assert statements.run("SELECT 1 WHERE 1 = %b", (2,)).rowcount == 0
    assert prepared(connection) == 0


def test_what_postgres_refuses_has_its_sqlstate(connection: Any) -> None:
    statements = Statements(connection, 2)
    with pytest.raises(psycopg.errors.UndefinedTable):
        statements.run("SELECT 1 FROM absent", ())
    with pytest.raises(psycopg.errors.DivisionByZero):
        statements.command("SELECT 1/0")
    assert statements.command("SELECT 5; SELECT 7").value == b"7"


def test_a_lost_connection_is_an_operational_error(connection: Any) -> None:
    statements = Statements(connection, 2)
    statements.send("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(psycopg.OperationalError):
        statements.run("SELECT 1", ())
    with pytest.raises(psycopg.OperationalError):
        statements.command("SELECT 1")


def test_a_transaction_that_only_read_is_over_before_the_next_begins(address: Address) -> None:
    session = Session(address, Line(10.0), READ_ONLY)
    try:
        began = "SELECT pg_current_snapshot()::text, now()"
        session.begin()
        first = session.run(began).fetchone()
        session.done()
        session.begin()
        assert session.run(began).fetchone() != first
        session.done()
    finally:
        session.drop()
