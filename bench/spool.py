"""Rows that a vault has written, read back in the portions in which they were written, so that they are written bare.

A spool is a file of pickled portions, one after the other. Portions that are not timed come first: what was there
before, so that indexes are as deep as they were for the vault.
"""

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vault.config import Config
from vault.stores.protocol import Transaction
from vault.wiring.moments import moment

TABLES = ("code", "serial", "card", "reissue", "audit_event")
"""Tables that portions may have new rows for, in the order in which they are written."""

Rows = Sequence[tuple[Any, ...]]


class Changes(NamedTuple):
    """Rows that are updated.

    Fields:
        columns: Which columns get new values.
        rows: For each row the new values, in the order of ``columns``, then its key's.
    """

    columns: tuple[str, ...]
    rows: Rows


class Portion(NamedTuple):
    """What one transaction writes.

    Fields:
        counted: The cards or records that it counts for; 0 of a portion that is not timed.
        inserts: New rows of each table, sorted by key.
        changes: Changed rows of each table.
    """

    counted: int
    inserts: Mapping[str, Rows]
    changes: Mapping[str, Changes]


def write_spool(config: Config, spool: Path, portions: Callable[[Transaction], Iterator[Portion]]) -> int:
    """Write the portions that are found in a vault's database, and return what they count for."""
    count = 0
    with moment(config) as tx, spool.open("wb") as file:
        for portion in portions(tx):
            pickle.dump(portion, file, pickle.HIGHEST_PROTOCOL)
            count += portion.counted
    return count


def read_spool(spool: Path) -> Iterator[Portion]:
    """Yield the portions of a spool."""
    with spool.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301  # this bench wrote it a moment ago
            except EOFError:
                return
