"""What the vault asks of a store.

1. Work runs as a plain function of a ``Transaction``; what it reads is one snapshot and what it writes is
   durable, all of it or nothing, when ``transact`` returns.
2. Pieces of work that wait at the same time may share one commit; if one raises, it alone is undone and its
   exception is its caller's.
3. Work may run more than once (after a serialization failure), so it changes nothing but its transaction.
4. Rows come back as they were given; a store neither checks nor makes tags, and never sees a key or a code.
5. When the commit itself fails the outcome is unknown: every piece of work in it gets ``Unavailable``, and the
   callbacks given to ``on_failure`` have run before any other work does.
6. Work that replaces or deletes a row which others have changed since its snapshot is undone and runs again on
   a new one, or waits; so what it decides from rows that it replaces still holds when it commits. Rows that it
   only reads are not locked: they are those of its snapshot, whatever others commit meanwhile.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from vault.stores.incidents import (
    BlockRecords,
    ExchangeRecords,
    HoldRecords,
    IncidentRecords,
    ReissueRecords,
    SelectionRecords,
    SupersededUseRecords,
)
from vault.stores.moves import MoveRecords
from vault.stores.records import (
    AuditRecords,
    BatchRecords,
    CardRecords,
    CodeRecords,
    JobRecords,
    KeyRecords,
    ProcessRecords,
    ProgramRecords,
    RecipientRecords,
    RequestRecords,
    RootCopyRecords,
    SerialRecords,
    SubmissionRecords,
    TallyRecords,
    VaultRecords,
)
from vault.stores.tables import TableRecords

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction: the records by kind, and the database's clock."""

    @property
    def vault(self) -> VaultRecords:
        """The vault's own row."""

    @property
    def programs(self) -> ProgramRecords:
        """Programs."""

    @property
    def keys(self) -> KeyRecords:
        """Key versions."""

    @property
    def root_copies(self) -> RootCopyRecords:
        """Confirmed copies of the root key."""

    @property
    def recipients(self) -> RecipientRecords:
        """Recipients."""

    @property
    def batches(self) -> BatchRecords:
        """Batches."""

    @property
    def cards(self) -> CardRecords:
        """Cards."""

    @property
    def codes(self) -> CodeRecords:
        """Codes."""

    @property
    def serials(self) -> SerialRecords:
        """Serials."""

    @property
    def tallies(self) -> TallyRecords:
        """Counts of codes that may be good."""

    @property
    def jobs(self) -> JobRecords:
        """Jobs."""

    @property
    def requests(self) -> RequestRecords:
        """Answered requests."""

    @property
    def submissions(self) -> SubmissionRecords:
        """Sealed submissions that were taken."""

    @property
    def processes(self) -> ProcessRecords:
        """Processes that serve."""

    @property
    def incidents(self) -> IncidentRecords:
        """Incidents and their timelines."""

    @property
    def selections(self) -> SelectionRecords:
        """Cards chosen one by one."""

    @property
    def holds(self) -> HoldRecords:
        """Holds that hold."""

    @property
    def blocks(self) -> BlockRecords:
        """Principals that are cut off."""

    @property
    def reissues(self) -> ReissueRecords:
        """Cards that jobs gave new codes, and their packages."""

    @property
    def exchanges(self) -> ExchangeRecords:
        """Exchanges, sale secrets and attempts."""

    @property
    def superseded_uses(self) -> SupersededUseRecords:
        """How often superseded codes were tried."""

    @property
    def audit(self) -> AuditRecords:
        """Audit events."""

    @property
    def tables(self) -> TableRecords:
        """Whole tables."""

    @property
    def moves(self) -> MoveRecords:
        """Rows that are moved from old versions of keys to new ones."""

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` run, before any other work, if what this work wrote is not known to be durable."""


class Source(Protocol):
    """Records that can be read: a store's, or a read replica's, which are those of a moment ago."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, on a snapshot, without making writers wait.

        Raises:
            Unavailable: The records cannot be read now.
        """

    async def close(self) -> None:
        """Finish the work that was begun, then let go of the records."""


class Store(Source, Protocol):
    """Records that outlive the process."""

    async def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run work that may write, and return its result once what it wrote is durable.

        Raises:
            Unavailable: The store cannot be written now, or the outcome of the commit is unknown.
        """

    async def look(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, and little, on a snapshot, the quickest way the store has.

        That may be on the event loop's own thread, so it has to be done within a few milliseconds.

        Raises:
            Unavailable: The store cannot be read now.
        """

    def waiting(self) -> int:
        """Return about how many pieces of writing work wait in this process."""

    async def crowded(self) -> bool:
        """Whether other processes were writing too, within about the last half second.

        Who writes at length, and nobody waits for that, does so in smaller portions while they do.
        """

    async def settle(self) -> None:
        """Wait until every piece of writing work that began before this call has ended, in all processes.

        So whoever commits and then settles knows that all that is committed later has seen it.

        Raises:
            Unavailable: The store cannot be reached, or work that began earlier does not end.
        """
