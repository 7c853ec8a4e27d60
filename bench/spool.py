"""The rows of an issued batch, read back from the vault's database in the portions in which they were written.

A spool is a file of pickled portions, one after the other; a portion maps a table's name to its rows, sorted as
the vault sorts them.
"""

import pickle
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.model.shape import SHAPES
from vault.stores import sql

TABLES = ("code", "serial", "card", "audit_event")
JOB = "job/ISSUE_BATCH"
READ_CACHE = "PRAGMA cache_size = -262144"
Portion = dict[str, list[tuple[Any, ...]]]


def write_spool(database: Path, spool: Path) -> int:
    """Read the rows of every card that jobs have issued, and return how many cards they are."""
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    cards = 0
    try:
        connection.execute(READ_CACHE)
        with spool.open("wb") as file:
            for portion in _portions(connection):
                pickle.dump(portion, file, pickle.HIGHEST_PROTOCOL)
                cards += len(portion["card"])
    finally:
        connection.close()
    return cards


def read_spool(spool: Path) -> Iterator[Portion]:
    """Yield the portions of a spool."""
    with spool.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301  # this bench wrote it a moment ago
            except EOFError:
                return


def _portions(connection: sqlite3.Connection) -> Iterator[Portion]:
    events = sql.select(SHAPES["audit_event"], "ORDER BY recorded_ms, writer_id, counter")
    for row in connection.execute(events):
        event = AuditEvent.FromString(row[SHAPES["audit_event"].columns.index("event")])
        if event.action != JOB or not event.items:
            continue
        ids = [item.card_id for item in event.items]
        cards = _rows(connection, "card", f"program = '{event.program}' AND card_id", ids)
        codes = _rows(connection, "code", "card_id", ids)
        serials = [code[SHAPES["code"].columns.index("serial")] for code in codes]
        yield {
            "code": codes,
            "serial": _rows(connection, "serial", f"program = '{event.program}' AND serial", serials),
            "card": cards,
            "audit_event": [row],
        }


def _rows(connection: sqlite3.Connection, table: str, where: str, keys: list[Any]) -> list[tuple[Any, ...]]:
    marks = ", ".join("?" * len(keys))
    return sorted(connection.execute(sql.select(SHAPES[table], f"WHERE {where} IN ({marks})"), keys), key=_order)


def _order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:2]  # the key's columns lead every row; what follows may be NULL
