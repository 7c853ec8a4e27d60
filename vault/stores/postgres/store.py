"""The store: a writer and two readers over one PostgreSQL database."""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Self, TypeVar, cast

import vault
from vault.errors import Unavailable
from vault.stores.lane import Lane
from vault.stores.postgres.activity import Writing
from vault.stores.postgres.address import Address
from vault.stores.postgres.deadline import Watch
from vault.stores.postgres.reader import Reader
from vault.stores.postgres.schema import check_schema
from vault.stores.postgres.session import READ_ONLY, REPEATABLE_READ, Session
from vault.stores.postgres.writer import Writer
from vault.stores.protocol import Transaction

T = TypeVar("T")

DEADLINE_SECONDS = 10.0
"""How long a statement or a commit may take by default."""

SETTLE_SECONDS = 10.0
"""How long work that began earlier is waited for."""

CROWD_SECONDS = 0.2
"""For how long is taken for true what was seen of the other writers."""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.001, 0.02


class PostgresStore:
    """Records in a PostgreSQL database that any number of processes share; a ``vault.stores.Store``."""

    def __init__(self, writing: Lane, reading: Lane, looking: Lane, watch: Watch) -> None:
        """Use lanes that run already; call ``open`` instead."""
        self._writing = writing
        self._reading = reading
        self._looking = looking
        self._watch = watch
        self._crowded = False
        self._seen_at = -math.inf

    @classmethod
    def open(
        cls,
        address: Address,
        *,
        vault_release: str = vault.__version__,
        deadline_seconds: float = DEADLINE_SECONDS,
        isolation: str = REPEATABLE_READ,
    ) -> Self:
        """Open a migrated database and start this process's threads; call it after forking, never before.

        Args:
            address: The database.
            vault_release: The release that asks, such as ``1.2.0``.
            deadline_seconds: How long a statement or a commit may take before its connection is dropped.
            isolation: How transactions that write are kept apart: ``REPEATABLE READ``, which is enough, or
                ``SERIALIZABLE``, for databases that have nothing else.

        Raises:
            FailedPrecondition: The database is not a vault's, not migrated, or too new for the release.
            Unavailable: The database cannot be reached.
        """
        check_schema(address, vault_release)
        watch = Watch(deadline_seconds)
        writer = Writer(Session(address, watch.line(), isolation))
        reader, looker = (Reader(Session(address, watch.line(), READ_ONLY)) for _ in range(2))
        return cls(
            Lane("postgres-write", writer.serve, writer.finish),
            Lane("postgres-read", reader.serve, reader.finish),
            Lane("postgres-look", looker.serve, looker.finish),
            watch,
        )

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write, and return its result once what it wrote is durable.

        Raises:
            Unavailable: The database cannot be reached or written, others are in the way again and again, or
                the outcome of the commit is unknown.
            IntegrityFailure: The database's files are damaged.
        """
        return cast("T", await self._writing.submit(work))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, on a snapshot, without making writers wait.

        Raises:
            Unavailable: The database cannot be reached, or the store is closed.
            IntegrityFailure: The database's files are damaged.
        """
        return cast("T", await self._reading.submit(work))

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, and little, on a snapshot, beside reads that take longer.

        Raises:
            Unavailable: The database cannot be reached, or the store is closed.
            IntegrityFailure: The database's files are damaged.
        """
        return cast("T", await self._looking.submit(work))

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait in this process."""
        return self._writing.waiting()

    async def crowded(self) -> bool:
        """Whether other processes write too, as it was seen ``CROWD_SECONDS`` ago at most.

        Where that cannot be asked they do: who gives way does no harm.
        """
        if time.monotonic() - self._seen_at > CROWD_SECONDS:
            try:
                writers = cast("int", await self._looking.submit(lambda tx: tx.activity.written_lately()))
                self._crowded = writers > 1  # one of them is this process's
            except Unavailable:
                self._crowded = True
            self._seen_at = time.monotonic()
        return self._crowded

    async def settle(self) -> None:
        """Wait until every piece of writing work that began before this call has ended, in all processes.

        Raises:
            Unavailable: The database cannot be reached or does not show its writers, or work that began earlier
                has not ended after ``SETTLE_SECONDS``.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        earlier = await self._writing_now()
        while earlier:
            if time.monotonic() > deadline:
                message = "work that began earlier does not end"
                raise Unavailable(message, reason="UNSETTLED", retry_seconds=1.0)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            earlier &= await self._writing_now()

    async def _writing_now(self) -> Writing:
        return cast("Writing", await self._looking.submit(lambda tx: tx.activity.writing()))

    async def close(self) -> None:
        """Finish the work that was begun, then let go of the database. May be called again."""
        await self._writing.close()
        await self._reading.close()
        await self._looking.close()
        await asyncio.to_thread(self._watch.close)
