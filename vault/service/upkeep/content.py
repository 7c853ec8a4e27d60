"""What a store holds, in one digest; and whether every row of it is what the vault wrote.

Content digest, 32 bytes: SHA-256 over ``crypto.encoding`` of label "cardvault.v1.content", then for each table
that has rows, in the order of ``SHAPES``: its name, the number of its rows and the table's digest.
Table's digest, 32 bytes: SHA-256 over ``encoding`` of the table's name and its columns' names, then of each row
in the order of its key.

1. Two stores of any kind have the same content digest exactly when every row of every table is the same.
2. A table without rows counts as one that is not there, so a migration that only adds tables changes no digest.
3. Verified are every row tag, and every writer's chain of audit events from its first event on: a row forged,
   edited or moved is refused, and so is an event changed or taken out of a chain's middle.

The digest is no MAC: who can change a backup can change the digest beside it, so keep the one that was printed
somewhere else. Row tags do not notice rows deleted; the digest does.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from vault.audit.event import decode
from vault.crypto import chain
from vault.crypto.encoding import encode
from vault.errors import IntegrityFailure
from vault.model.rows import AuditEventRow
from vault.model.shape import SHAPES, Shape
from vault.model.states import KeyPurpose
from vault.service.catalogue import Snapshot
from vault.stores.protocol import Transaction

PAGE_ROWS: Final = 1000
"""Rows at once, at most."""

PAGE_BYTES: Final = 4 * 1024 * 1024
"""About how many bytes of rows at once, where they are large, such as records and the events of whole chunks."""

FIRST_ROWS: Final = 64
"""Rows at once to begin with, as nobody knows yet how large they are."""

NAMED_ROWS: Final = 100
"""How many of the rows that are not what the vault wrote are named."""

Watch = Callable[[str, int, int], None]
"""Told of a stage's name, how many rows are done, and how many there are."""

_LABEL: Final = "cardvault.v1.content"


class TableContent(NamedTuple):
    """How many rows a table has, and their digest."""

    rows: int
    sha256: bytes


class Content(NamedTuple):
    """What a store holds, by table."""

    tables: Mapping[str, TableContent]

    @property
    def sha256(self) -> bytes:
        """The content digest, 32 bytes."""
        values: list[Any] = [_LABEL]
        for table, content in self.tables.items():
            if content.rows:
                values += (table, *content)
        return hashlib.sha256(encode(values)).digest()

    @property
    def counts(self) -> dict[str, int]:
        """The number of rows by table."""
        return {table: content.rows for table, content in self.tables.items()}


class Forged:
    """The rows that are not what the vault wrote: how many they are, and what is wrong with the first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, problem: str) -> None:
        """Take one down."""
        self.count += 1
        if len(self.first) < NAMED_ROWS:
            self.first.append(problem)

    @property
    def problem(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        return f"rows not as the vault wrote them: {self.count}; the first: {self.first[0]}" if self.count else ""


class Survey:
    """Takes the rows of one table, in the order of its key, and sums them up."""

    def __init__(self, shape: Shape, snapshot: Snapshot | None, forged: Forged | None = None) -> None:
        """Begin a table.

        Args:
            shape: The table.
            snapshot: The keys to verify rows by; None to verify nothing.
            forged: Takes down the rows that are not what the vault wrote; None to raise at the first.
        """
        self._shape = shape
        self._snapshot = snapshot
        self._forged = forged
        self._columns = frozenset(shape.columns)
        self._count = 0
        self._sum = hashlib.sha256(encode((shape.table, *shape.columns)))
        self._writer = b""
        self._link = chain.GENESIS
        self._counter = 0

    def add(self, rows: Sequence[Any]) -> None:
        """Take the next rows.

        Raises:
            IntegrityFailure: ROW_TAG or AUDIT_EVENT: one is not what the vault wrote, and nobody takes it down.
        """
        self._count += len(rows)
        self._sum.update(b"".join(map(encode, rows)))
        if self._snapshot is None:
            return
        for row in rows:
            try:
                self._verify(row, self._snapshot)
            except IntegrityFailure as error:
                if self._forged is None:
                    raise
                self._forged.add(error.message)

    def result(self) -> TableContent:
        """Return the sum of the rows taken."""
        return TableContent(self._count, self._sum.digest())

    def _verify(self, row: Any, snapshot: Snapshot) -> None:
        if "tag" in self._columns:
            snapshot.tagger.verify(self._shape, row)
        elif self._shape.row is AuditEventRow:
            self._follow(row, snapshot)

    def _follow(self, row: AuditEventRow, snapshot: Snapshot) -> None:
        if row.writer_id != self._writer:
            self._writer, self._link, self._counter = row.writer_id, chain.GENESIS, 0
        before, count = self._link, self._counter + 1
        # What follows hangs on the event as it stands here, so a chain that is broken once is told once.
        self._link, self._counter = row.chain[4:], row.counter
        version = int.from_bytes(row.chain[:4], "big")
        key = snapshot.keyring.get(KeyPurpose.AUDIT_CHAIN, "", version)
        link = chain.advance(key.secret, before, row.event)
        event = decode(row.event)
        copies = (event.writer_id, event.counter, event.time_ms, event.program)
        if row.chain[4:] != link or row.counter != count or copies != tuple(row[:4]):
            message = f"the audit log is not what the vault wrote: writer {row.writer_id.hex()}, event {row.counter}"
            raise IntegrityFailure(message, reason="AUDIT_EVENT")


def pages(tx: Transaction, shape: Shape) -> Iterator[list[Any]]:
    """Yield a table's rows in the order of its key, at most ``PAGE_ROWS`` and about ``PAGE_BYTES`` at once."""
    after = None
    limit = FIRST_ROWS
    places = [shape.columns.index(name) for name in shape.key]
    while rows := tx.tables.page(shape, after, limit):
        after = tuple(rows[-1][place] for place in places)
        size = sum(len(value) for row in rows for value in row if isinstance(value, bytes))
        limit = max(1, min(PAGE_ROWS, 4 * limit, PAGE_BYTES * len(rows) // max(1, size)))
        yield rows


def survey(  # noqa: PLR0913  what is told to whom
    tx: Transaction,
    snapshot: Snapshot | None,
    watch: Watch,
    stage: str,
    total: int | None = None,
    *,
    forged: Forged | None = None,
) -> Content:
    """Sum up everything that a transaction sees, and verify it where a snapshot has the keys.

    Args:
        tx: What to read.
        snapshot: The keys to verify rows by; None to verify nothing.
        watch: Told of the rows done.
        stage: What it is told that is being done.
        total: How many rows there are; counted where it is not known.
        forged: Takes down the rows that are not what the vault wrote; None to raise at the first.

    Raises:
        IntegrityFailure: ROW_TAG or AUDIT_EVENT: a row is not what the vault wrote, and nobody takes it down.
    """
    if total is None:
        total = sum(tx.tables.count(shape) for shape in SHAPES.values())
    done = 0
    tables = {}
    for table, shape in SHAPES.items():
        table_survey = Survey(shape, snapshot, forged)
        for rows in pages(tx, shape):
            table_survey.add(rows)
            done += len(rows)
            watch(stage, done, total)
        tables[table] = table_survey.result()
    return Content(tables)


def check_same(found: Content, wanted: Content) -> None:
    """Accept two contents that are the same.

    Raises:
        IntegrityFailure: CONTENT_DIGEST: they differ; the message names the tables.
    """
    differing = [table for table in SHAPES if found.tables[table] != wanted.tables[table]]
    if differing:
        message = f"the copy is not the same as what was copied, in {', '.join(differing)}"
        raise IntegrityFailure(message, reason="CONTENT_DIGEST")
