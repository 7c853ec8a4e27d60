"""One transaction over a session: the records by kind."""

from collections.abc import Callable

from vault.stores.postgres.activity import PostgresActivity
from vault.stores.postgres.audit import PostgresAudit
from vault.stores.postgres.batches import PostgresBatches
from vault.stores.postgres.cards import PostgresCards
from vault.stores.postgres.codes import PostgresCodes
from vault.stores.postgres.exchanges import PostgresExchanges, PostgresSupersededUses
from vault.stores.postgres.holds import PostgresBlocks, PostgresHolds
from vault.stores.postgres.incidents import PostgresIncidents
from vault.stores.postgres.jobs import PostgresJobs
from vault.stores.postgres.keys import PostgresKeys
from vault.stores.postgres.moves import PostgresMoves
from vault.stores.postgres.processes import PostgresProcesses
from vault.stores.postgres.programs import PostgresPrograms, PostgresRecipients, PostgresVault
from vault.stores.postgres.reissues import PostgresReissues
from vault.stores.postgres.requests import PostgresRequests
from vault.stores.postgres.roots import PostgresRootCopies
from vault.stores.postgres.selections import PostgresSelections
from vault.stores.postgres.serials import PostgresSerials
from vault.stores.postgres.session import Session
from vault.stores.postgres.submissions import PostgresSubmissions
from vault.stores.postgres.tables import PostgresTables
from vault.stores.postgres.tallies import PostgresTallies


class PostgresTransaction:
    """What a piece of work sees; one object serves piece after piece, ``callbacks`` is the present one's."""

    def __init__(self, session: Session, *, writes: bool) -> None:
        """Work over a session; rows are locked only where it may write."""
        lock = "FOR NO KEY UPDATE" if writes else ""
        self.callbacks: list[Callable[[], None]] = []
        self.vault = PostgresVault(session)
        self.programs = PostgresPrograms(session)
        self.keys = PostgresKeys(session, lock)
        self.root_copies = PostgresRootCopies(session)
        self.recipients = PostgresRecipients(session)
        self.batches = PostgresBatches(session)
        self.cards = PostgresCards(session)
        self.codes = PostgresCodes(session)
        self.serials = PostgresSerials(session)
        self.tallies = PostgresTallies(session, lock)
        self.jobs = PostgresJobs(session)
        self.requests = PostgresRequests(session)
        self.submissions = PostgresSubmissions(session)
        self.processes = PostgresProcesses(session)
        self.incidents = PostgresIncidents(session)
        self.selections = PostgresSelections(session)
        self.holds = PostgresHolds(session)
        self.blocks = PostgresBlocks(session)
        self.reissues = PostgresReissues(session)
        self.exchanges = PostgresExchanges(session, lock)
        self.superseded_uses = PostgresSupersededUses(session, lock)
        self.audit = PostgresAudit(session)
        self.activity = PostgresActivity(session)
        self.tables = PostgresTables(session)
        self.moves = PostgresMoves(session)

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` run, on the store's thread, if what this work wrote is not known to be durable."""
        self.callbacks.append(callback)
