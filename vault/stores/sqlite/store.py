"""The store: a writer, a reader and a checkpointer over one database file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar, cast

import vault
from vault.errors import Unavailable
from vault.stores.lane import Lane
from vault.stores.protocol import Transaction
from vault.stores.sqlite.checkpoint import Checkpointer
from vault.stores.sqlite.connection import connect
from vault.stores.sqlite.fault import translated
from vault.stores.sqlite.moves import Places
from vault.stores.sqlite.reader import Looker, Reader
from vault.stores.sqlite.schema import check_schema
from vault.stores.sqlite.turn import Turn
from vault.stores.sqlite.writer import GROUP_PIECES, Writer

T = TypeVar("T")

SETTLE_SECONDS = 10.0
"""How long work that began earlier is waited for."""

CROWDED_SECONDS = 0.5
"""How long after somebody had to wait for this process's writing others are taken to be writing."""

CACHE_MIB = 32
"""Default page cache of the writing connection; the reading ones have a quarter and an eighth."""


class SqliteStore:
    """Records in one SQLite file, which several processes may have open. Implements ``vault.stores.Store``."""

    def __init__(self, writing: Lane, reading: Lane, looker: Looker, checkpointer: Checkpointer, turn: Turn) -> None:
        """Use lanes that run already; call ``open`` instead."""
        self._writing = writing
        self._reading = reading
        self._looker = looker
        self._closed = False
        self._checkpointer = checkpointer
        self._turn = turn

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        vault_release: str = vault.__version__,
        cache_mib: int = CACHE_MIB,
        group_pieces: int = GROUP_PIECES,
    ) -> Self:
        """Open a migrated database and start this process's threads; call it after forking, never before.

        Args:
            path: The database's file.
            vault_release: The release that asks, such as ``1.2.0``.
            cache_mib: Page cache of the writing connection in MiB, at least 1.
            group_pieces: How much work shares a commit at most, at least 1.

        Raises:
            FailedPrecondition: The file is missing, not a vault, not migrated, or too new for the release.
            Unavailable: The file cannot be opened now.
        """
        check_schema(path, vault_release)
        try:
            turns = Turn(path), Turn(path)
            copying = connect(path, cache_mib=1)
            writing = connect(path, cache_mib=cache_mib)
            reading = connect(path, cache_mib=max(1, cache_mib // 8), query_only=True)
            looking = connect(path, cache_mib=max(1, cache_mib // 4), query_only=True)
        except OSError as error:
            message = f"the files beside the database {path.name} cannot be opened: {error.strerror}"
            raise Unavailable(message) from error
        except sqlite3.Error as error:
            raise translated(error) from error
        checkpointer = Checkpointer(copying, turns[0])
        places = Places()
        writer = Writer(writing, turns[1], checkpointer.wake, places, group_pieces)
        reader = Reader(reading, places)
        return cls(
            Lane("sqlite-write", writer.serve, writer.finish),
            Lane("sqlite-read", reader.serve, reader.finish),
            Looker(looking),
            checkpointer,
            turns[1],
        )

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write, and return its result once what it wrote is on the disk.

        Raises:
            Unavailable: The disk is full or failing, another program holds the database, or the outcome of the
                commit is unknown.
            IntegrityFailure: The file is damaged.
        """
        return cast("T", await self._writing.submit(work))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, on a snapshot, without making writers wait.

        Raises:
            Unavailable: The disk is failing, or the store is closed.
            IntegrityFailure: The file is damaged.
        """
        return cast("T", await self._reading.submit(work))

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run short work that only reads, on a snapshot, at once and on this thread, which is the event loop's.

        Raises:
            Unavailable: The disk is failing, or the store is closed.
            IntegrityFailure: The file is damaged.
        """
        if self._closed:
            raise Unavailable("the store is closed")
        return self._looker.look(work)

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait in this process."""
        return self._writing.waiting()

    async def crowded(self) -> bool:
        """Whether other processes write too: one had to wait for this one's writing a moment ago."""
        return time.monotonic() - self._turn.followed_at < CROWDED_SECONDS

    async def settle(self) -> None:
        """Wait until every piece of writing work that began before this call has ended, in all processes.

        Writers queue, so that is when a piece that writes nothing has had its turn.

        Raises:
            Unavailable: The disk is failing, or work that began earlier has not ended after ``SETTLE_SECONDS``.
        """
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._writing.submit(lambda _: None)
        except TimeoutError:
            message = "work that began earlier does not end"
            raise Unavailable(message, reason="UNSETTLED", retry_seconds=1.0) from None

    async def close(self) -> None:
        """Finish the work that was begun, then let go of the file. May be called again."""
        self._closed = True
        self._looker.close()
        await self._writing.close()
        await self._reading.close()
        await asyncio.to_thread(self._checkpointer.close)
