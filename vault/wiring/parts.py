"""What every process of a vault is made of: store, custody, keys and programs, the recorder."""

import importlib
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, cast

from vault import log
from vault.audit.log import Log
from vault.config import Config
from vault.custody.file import FileCustody
from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition
from vault.model.states import ProgramState
from vault.service.answering.receipts import DEFAULT_SECONDS
from vault.service.budget import WrapBudget
from vault.service.catalogue import Catalogue, Snapshot
from vault.service.formats import code_format
from vault.service.issuing.issue import Issuer
from vault.service.issuing.preparation import Preparation
from vault.service.keys import KeyMaker
from vault.service.recorder import Lists, Recorder
from vault.service.tally import slot_of
from vault.stores.protocol import Source, Store
from vault.stores.sqlite import CACHE_MIB, GROUP_PIECES, SqliteStore
from vault.stores.sqlite import migrate as migrate_sqlite

if TYPE_CHECKING:
    from vault.stores.postgres import Address

Random = Callable[[int], bytes]


def clock_ms() -> int:
    """Return the time in milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000


class Parts(NamedTuple):
    """The objects that a worker and the job process share the making of; receipts count for ``receipt_seconds``."""

    store: Store
    custody: Custody
    keys: KeyMaker
    recorder: Recorder
    budget: WrapBudget
    issuer: Issuer
    preparation: Preparation
    slot: int
    random: Random
    receipt_seconds: int = DEFAULT_SECONDS


def open_custody(config: Config) -> Custody:
    """Return whoever holds the root key.

    Raises:
        FailedPrecondition: The root key's file cannot be used; the message says what to do.
    """
    return FileCustody(config.custody.root_key)


async def assemble(
    config: Config, store: Store, custody: Custody, random: Random = os.urandom, replica: Source | None = None
) -> Parts:
    """Put the parts together and load programs and keys.

    Args:
        config: The configuration.
        store: Where records live.
        custody: Who holds the root key.
        random: Gives random bytes.
        replica: Where long lists are read from; the store itself where it is None.

    Raises:
        FailedPrecondition: The vault is not initialised.
        IntegrityFailure: The root key is not the one that this vault's keys were wrapped by, or a row was changed.
    """
    catalogue = Catalogue(custody, _tell_log)
    lists = None if replica is None else Lists(replica, Catalogue(custody))
    recorder = Recorder(store, catalogue, Log(clock_ms=clock_ms, random=random), clock_ms, lists)
    keys = KeyMaker(custody, random)
    budget = WrapBudget(recorder, keys, config.limits.wraps_per_key)
    issuer = Issuer(budget, random)
    await store.read(catalogue.at)
    return Parts(
        store=store,
        custody=custody,
        keys=keys,
        recorder=recorder,
        budget=budget,
        issuer=issuer,
        preparation=Preparation(recorder, issuer, budget),
        slot=slot_of(random(16)),
        random=random,
        receipt_seconds=config.limits.receipt_seconds,
    )


def open_store(config: Config, cache_mib: int = CACHE_MIB, group_pieces: int = GROUP_PIECES) -> Store:
    """Return the store, open; SQLite with a page cache of ``cache_mib`` and commits of ``group_pieces`` for its writer.

    Raises:
        FailedPrecondition: It is not migrated, or by a newer release that this one must not run beside.
        Unavailable: The database cannot be reached.
    """
    if config.store.kind == "sqlite":
        return SqliteStore.open(config.store.path, cache_mib=cache_mib, group_pieces=group_pieces)
    opened = _postgres().PostgresStore.open(
        postgres_address(config), deadline_seconds=float(config.store.deadline_seconds)
    )
    return cast("Store", opened)


@asynccontextmanager
async def replica_of(config: Config) -> AsyncIterator[Source | None]:
    """Give the read replica where there is one; it is reached when it is first read.

    Raises:
        FailedPrecondition: Its address cannot be used.
    """
    if config.store.kind == "sqlite" or config.store.replica_dsn is None:
        yield None
        return
    address = postgres_address(config)._replace(dsn=config.store.replica_dsn, replica=True)
    address.checked()
    opened: Source = _postgres().PostgresReplica(address, deadline_seconds=float(config.store.deadline_seconds))
    try:
        yield opened
    finally:
        await opened.close()


def migrate_store(config: Config) -> list[str]:
    """Bring the store to this release's schema, and return the names of the steps that it lacked.

    Raises:
        FailedPrecondition: It is no vault's.
        Unavailable: It cannot be reached.
    """
    if config.store.kind == "sqlite":
        return migrate_sqlite(config.store.path)
    return cast("list[str]", _postgres().migrate(postgres_address(config)))


def postgres_address(config: Config) -> "Address":
    """Return where the PostgreSQL database is.

    Raises:
        FailedPrecondition: psycopg is not installed.
    """
    store = config.store
    made = _postgres().Address(store.dsn, store.password_file, store.prepared_statements)
    return cast("Address", made)


def _postgres() -> ModuleType:
    try:
        return importlib.import_module("vault.stores.postgres")
    except ModuleNotFoundError as error:
        if error.name not in ("psycopg", "psycopg_binary"):
            raise
        raise FailedPrecondition(
            "the store is PostgreSQL, and psycopg is missing: pip install 'cardvault[server,postgres]'",
            reason="NOT_INSTALLED",
        ) from None


def _tell_log(snapshot: Snapshot) -> None:
    """Have the log look for codes of every program's format."""
    log.set_formats({code_format(row) for row in snapshot.programs.values() if row.state != ProgramState.CLOSED})
