"""The rows of an issued batch, read back from the vault's database in the portions in which they were written.

A spool is a file of pickled portions, one after the other; a portion maps a table's name to its rows, sorted as
the vault sorts them.
"""

import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vault.config import Config
from vault.formats.v1.audit_event_pb2 import AuditEvent
from vault.model.rows import AuditEventRow
from vault.stores.protocol import Transaction
from vault.stores.records import AuditPlace
from vault.wiring.moments import moment

TABLES = ("code", "serial", "card", "audit_event")
JOB = "job/ISSUE_BATCH"
EVENTS_AT_ONCE = 100
_ALWAYS_MS = 1 << 62
Portion = dict[str, list[tuple[Any, ...]]]


def write_spool(config: Config, spool: Path) -> int:
    """Read the rows of every card that jobs have issued, and return how many cards they are."""
    cards = 0
    with moment(config) as tx, spool.open("wb") as file:
        for portion in _portions(tx):
            pickle.dump(portion, file, pickle.HIGHEST_PROTOCOL)
            cards += len(portion["card"])
    return cards


def read_spool(spool: Path) -> Iterator[Portion]:
    """Yield the portions of a spool."""
    with spool.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301  # this bench wrote it a moment ago
            except EOFError:
                return


def _portions(tx: Transaction) -> Iterator[Portion]:
    for row in _events(tx):
        event = AuditEvent.FromString(row.event)
        if event.action != JOB or not event.items:
            continue
        ids = [item.card_id for item in event.items]
        codes = tx.codes.of_cards(ids)
        serials = tx.serials.get(event.program, {code.serial for code in codes})
        yield {
            "code": _sorted(codes),
            "serial": _sorted(list(serials.values())),
            "card": _sorted(list(tx.cards.get(event.program, ids).values())),
            "audit_event": [tuple(row)],
        }


def _events(tx: Transaction) -> Iterator[AuditEventRow]:
    place: AuditPlace | None = None
    while rows := tx.audit.page(None, 0, _ALWAYS_MS, place, EVENTS_AT_ONCE):
        yield from rows
        place = AuditPlace(rows[-1].recorded_ms, rows[-1].writer_id, rows[-1].counter)


def _sorted(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # The key's columns lead every row; what follows may be NULL.
    return sorted(map(tuple, rows), key=lambda row: row[:2])
