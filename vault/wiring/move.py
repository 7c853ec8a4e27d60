"""Moving a vault from one store into another, such as from SQLite into PostgreSQL.

1. The source stays as it was: it is only read, nobody writes meanwhile, and its content digest is the same
   before and after.
2. A vault that serves from the source is not moved, since what it went on to write would be lost.
3. The target is a vault only after every row in it was verified and its content digest is the source's: until
   then its own row is missing, and every process refuses it. A move that died is begun anew.
4. Both configurations name a root key that opens the vault's keys; nothing is decrypted or written by it.

It does not keep anyone from starting a vault on the source again afterwards; two vaults with the same cards
would then go separate ways.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from vault.config import Config
from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.hardening import harden
from vault.model.shape import SHAPES
from vault.service.upkeep.content import Content, Watch, survey
from vault.service.upkeep.moving import copy_tables, empty_tables
from vault.service.upkeep.restoration import admit_moved, check_not_a_vault
from vault.stores.protocol import Store
from vault.wiring.admission import open_keys, recorder_over
from vault.wiring.moments import check_store, moment, no_writers, users_of
from vault.wiring.parts import migrate_store, open_custody, open_store


class Plan(NamedTuple):
    """What a move would copy: rows by table, and who has the source open (empty: nobody)."""

    counts: Mapping[str, int]
    users: str


def plan_move(source: Config, target: Config) -> Plan:
    """Return what a move would copy, having looked at all that can be looked at without writing.

    Raises:
        FailedPrecondition: The source is no vault of this release.
        IntegrityFailure: ROOT_KEY: one of the root keys does not open the vault's keys.
        Unavailable: The source cannot be read now.
    """
    harden()
    custodies = _custodies(source, target)
    users = users_of(source)
    with moment(source) as tx:
        for custody in custodies:
            open_keys(tx, custody, "the source")
        return Plan({table: tx.tables.count(shape) for table, shape in SHAPES.items()}, users)


def move_vault(source: Config, target: Config, watch: Watch, *, restart: bool) -> Content:
    """Copy a vault into an empty store, which is migrated first; return what was copied.

    Args:
        source: The configuration of the vault as it is.
        target: The configuration of the vault as it will be.
        watch: Told of the rows done, table by table.
        restart: Delete what an interrupted move has left in the target.

    Raises:
        FailedPrecondition: SOURCE_IN_USE: a vault serves from the source; VAULT_IN_USE: there is a vault in the
            target; TARGET_NOT_EMPTY: an interrupted move left rows in it, and ``restart`` is not asked for.
        IntegrityFailure: A row is not what the vault wrote, or the target does not hold the same; or a root key
            does not open the vault's keys.
        Unavailable: A store cannot be read or written now.
    """
    harden()
    custodies = _custodies(source, target)
    users = users_of(source)
    if users:
        message = f"{users} has the source open: stop the vault first, since what it writes would be left behind"
        raise FailedPrecondition(message, reason="SOURCE_IN_USE")
    migrate_store(target)
    return asyncio.run(_move(source, target, custodies, watch, restart=restart))


def _custodies(source: Config, target: Config) -> tuple[Custody, Custody]:
    if (source.store.kind, _place(source)) == (target.store.kind, _place(target)):
        message = "both configurations name the same store"
        raise FailedPrecondition(message, reason="SAME_STORE")
    check_store(source)
    return open_custody(source), open_custody(target)


def _place(config: Config) -> str:
    return str(config.store.path.absolute()) if config.store.kind == "sqlite" else config.store.dsn


async def _move(
    source: Config, target: Config, custodies: tuple[Custody, Custody], watch: Watch, *, restart: bool
) -> Content:
    store = open_store(target)
    try:
        await _make_room(store, restart=restart)
        with no_writers(source):
            with moment(source) as tx:
                snapshot, _ = (open_keys(tx, custody, "the source") for custody in custodies)
                vault = tx.vault.get()
                assert vault is not None, "its keys could be opened"
                content = await copy_tables(tx, snapshot, store, watch)
            with moment(source) as tx:
                after = survey(tx, None, watch, "the source again", sum(content.counts.values()))
            if after != content:
                message = "the source has changed meanwhile, behind the vault's back; move it again"
                raise IntegrityFailure(message, reason="CONTENT_DIGEST")
            await admit_moved(recorder_over(store, custodies[1]), vault, content, watch)
        return content
    finally:
        await store.close()


async def _make_room(store: Store, *, restart: bool) -> None:
    if not await store.read(check_not_a_vault):
        return
    if not restart:
        message = "an earlier move or restore into the target was interrupted; --restart deletes what it has left"
        raise FailedPrecondition(message, reason="TARGET_NOT_EMPTY")
    await empty_tables(store)
