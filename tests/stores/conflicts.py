"""A PostgreSQL store whose statements and commits fail as not serializable when chance wants it."""

import random
from collections.abc import Container

from psycopg.pq import TransactionStatus

from tests.stores.patience import PATIENCE_SECONDS
from vault.stores.lane import Lane
from vault.stores.postgres import Address, PostgresStore
from vault.stores.postgres.deadline import Line, Watch
from vault.stores.postgres.reader import Reader
from vault.stores.postgres.session import READ_ONLY, SERIALIZABLE, Session
from vault.stores.postgres.statements import Answer
from vault.stores.postgres.writer import Writer

_CONFLICT = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"


class ConflictingSession(Session):
    """A session in which PostgreSQL itself refuses some statements and commits with 40001.

    ``fail_at`` are the numbers of the statements to refuse, counted from 1 over the session's life, commits
    among them; or else chance decides.
    """

    def __init__(self, address: Address, line: Line, mode: str, chance: random.Random | None) -> None:
        super().__init__(address, line, mode)
        self.fail_at: Container[int] = ()
        self.statements = 0
        self._chance = chance

    def run(self, query: str, values: object = ()) -> Answer:
        self._perhaps_refuse(0.03)
        return super().run(query, values)  # type: ignore[arg-type]

    def commit(self) -> None:
        if self.status == TransactionStatus.INTRANS:
            self._perhaps_refuse(0.15)
        super().commit()

    def _perhaps_refuse(self, odds: float) -> None:
        self.statements += 1
        if self.statements in self.fail_at or (self._chance is not None and self._chance.random() < odds):
            self.command(_CONFLICT)


def conflicting_store(address: Address, chance: random.Random | None) -> tuple[PostgresStore, ConflictingSession]:
    """Open a store at SERIALIZABLE over a migrated database; its reading sessions have no such trouble."""
    watch = Watch(PATIENCE_SECONDS)
    session = ConflictingSession(address, watch.line(), SERIALIZABLE, chance)
    writer, readers = Writer(session), [Reader(Session(address, watch.line(), READ_ONLY)) for _ in range(2)]
    reading, looking = (Lane("read", reader.serve, reader.finish) for reader in readers)
    store = PostgresStore(Lane("write", writer.serve, writer.finish), reading, looking, watch)
    return store, session
