"""Copying a vault from one store into another.

1. The source is only read, in one snapshot, in which every row is verified as it is copied.
2. Rows are copied as they are, tags and sealed columns untouched: nothing is decrypted.
3. The vault's own row is not copied here: it goes in last (see ``restoration``), so a copy that is interrupted
   is never served.

At most two pages of rows are in memory, each of some 4 MiB at most, so memory is flat at any size.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from vault.model.shape import SHAPES, Shape
from vault.service.catalogue import Snapshot
from vault.service.upkeep.content import Content, Survey, Watch, pages
from vault.stores.protocol import Store, Transaction


async def copy_tables(source: Transaction, snapshot: Snapshot, target: Store, watch: Watch) -> Content:
    """Copy every row but the vault's own into an empty store, and return what the source holds.

    Args:
        source: One snapshot of the source, which this alone uses meanwhile.
        snapshot: Programs and keys of the source, to verify its rows by.
        target: Where to; it holds no vault.
        watch: Told of the rows copied, a stage for each table.

    Raises:
        IntegrityFailure: ROW_TAG or AUDIT_EVENT: a row of the source is not what the vault wrote.
        FailedPrecondition: VAULT_IN_USE: the target holds a vault.
        AlreadyExists: The target has a row of the same key.
    """
    tables = {}
    for table, shape in SHAPES.items():
        total, done = source.tables.count(shape), 0
        survey = Survey(shape, snapshot)
        writing: asyncio.Task[None] | None = None
        try:
            for rows in pages(source, shape):
                survey.add(rows)
                if writing is not None:
                    await writing
                if table != "vault":
                    # The source's next page is read while this one is written.
                    writing = asyncio.create_task(target.transact(_loading(shape, rows)))
                    await asyncio.sleep(0)
                done += len(rows)
                watch(table, done, total)
        finally:
            if writing is not None:
                await writing
        tables[table] = survey.result()
    return Content(tables)


async def empty_tables(target: Store) -> None:
    """Delete what an interrupted copy has left.

    Raises:
        FailedPrecondition: VAULT_IN_USE: the store holds a vault.
    """
    for shape in SHAPES.values():
        await target.transact(_emptying(shape))


def _loading(shape: Shape, rows: Sequence[Any]) -> Callable[[Transaction], None]:
    return lambda tx: tx.tables.load(shape, rows)


def _emptying(shape: Shape) -> Callable[[Transaction], None]:
    return lambda tx: tx.tables.empty(shape)
