"""One transaction over a connection: the records by kind."""

import sqlite3
from collections.abc import Callable

from vault.stores.sqlite.audit import SqliteAudit
from vault.stores.sqlite.batches import SqliteBatches
from vault.stores.sqlite.cards import SqliteCards
from vault.stores.sqlite.codes import SqliteCodes
from vault.stores.sqlite.exchanges import SqliteExchanges, SqliteSupersededUses
from vault.stores.sqlite.holds import SqliteBlocks, SqliteHolds
from vault.stores.sqlite.incidents import SqliteIncidents
from vault.stores.sqlite.jobs import SqliteJobs
from vault.stores.sqlite.keys import SqliteKeys
from vault.stores.sqlite.moves import Places, SqliteMoves
from vault.stores.sqlite.processes import SqliteProcesses
from vault.stores.sqlite.programs import SqlitePrograms, SqliteRecipients, SqliteVault
from vault.stores.sqlite.reissues import SqliteReissues
from vault.stores.sqlite.requests import SqliteRequests
from vault.stores.sqlite.roots import SqliteRootCopies
from vault.stores.sqlite.selections import SqliteSelections
from vault.stores.sqlite.serials import SqliteSerials
from vault.stores.sqlite.submissions import SqliteSubmissions
from vault.stores.sqlite.tables import SqliteTables
from vault.stores.sqlite.tallies import SqliteTallies


class SqliteTransaction:
    """What a piece of work sees; one object serves piece after piece, ``callbacks`` is the present one's."""

    def __init__(self, connection: sqlite3.Connection, places: Places | None = None) -> None:
        """Use a connection; ``places`` are what the transactions of one store share, if there are several."""
        self.callbacks: list[Callable[[], None]] = []
        self.vault = SqliteVault(connection)
        self.programs = SqlitePrograms(connection)
        self.keys = SqliteKeys(connection)
        self.root_copies = SqliteRootCopies(connection)
        self.recipients = SqliteRecipients(connection)
        self.batches = SqliteBatches(connection)
        self.cards = SqliteCards(connection)
        self.codes = SqliteCodes(connection)
        self.serials = SqliteSerials(connection)
        self.tallies = SqliteTallies(connection)
        self.jobs = SqliteJobs(connection)
        self.requests = SqliteRequests(connection)
        self.submissions = SqliteSubmissions(connection)
        self.processes = SqliteProcesses(connection)
        self.incidents = SqliteIncidents(connection)
        self.selections = SqliteSelections(connection)
        self.holds = SqliteHolds(connection)
        self.blocks = SqliteBlocks(connection)
        self.reissues = SqliteReissues(connection)
        self.exchanges = SqliteExchanges(connection)
        self.superseded_uses = SqliteSupersededUses(connection)
        self.audit = SqliteAudit(connection)
        self.tables = SqliteTables(connection)
        self.moves = SqliteMoves(connection, places or Places())

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` run, on the store's thread, if what this work wrote is not known to be durable."""
        self.callbacks.append(callback)
