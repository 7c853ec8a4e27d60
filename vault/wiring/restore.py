"""Restoring a backup into a store that is not there yet.

1. Nothing is served from before everything is verified and every program stopped: a SQLite backup becomes the
   vault's file by one rename at the end, and in PostgreSQL the vault's own row is written last, in the
   transaction that verifies and stops.
2. Whatever dies on the way leaves the store as if nothing had been begun, or one that every process refuses
   because it holds no vault; `--restart` clears that away.
3. Nothing is overwritten.
"""

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from vault.config import Config, load
from vault.custody.protocol import Custody
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, VaultError
from vault.hardening import harden
from vault.model.rows import VaultRow
from vault.service.rotation.livekeys import LiveKeys, live_keys
from vault.service.upkeep.content import Watch
from vault.service.upkeep.restoration import Restored, admit_restored, check_not_a_vault
from vault.stores.protocol import Store
from vault.stores.sqlite import SqliteStore
from vault.stores.sqlite import backup as sqlite_backup
from vault.stores.sqlite import frozen as sqlite_frozen
from vault.stores.sqlite import migrate as migrate_sqlite
from vault.wiring.admission import open_keys, recorder_over, root_key_of
from vault.wiring.moments import moment
from vault.wiring.parts import migrate_store, open_custody, open_store, postgres_address
from vault.wiring.sidecar import sync_folder

_SQLITE = b"SQLite format 3\x00"
_BESIDE = ("", "-wal", "-shm", "-journal")


class Order(NamedTuple):
    """What is asked of a restore.

    Attributes:
        backup: The file.
        wanted: The content digest that the backup must have; None to take any.
        restart: Delete what an interrupted restore or move has left in the store.
        accept_forged: Restore rows that are not what the vault wrote with the others.
        keys_from: The configuration of the living vault, or its SQLite database: its keys, as they are today, take the
            place of those in the backup; None to leave those.
    """

    backup: Path
    wanted: bytes | None
    restart: bool = False
    accept_forged: bool = False
    keys_from: Path | None = None


def restore_backup(config: Config, order: Order, watch: Watch) -> Restored:
    """Restore a backup into the store that a configuration names, and stop every program.

    Args:
        config: The configuration; its store holds no vault.
        order: What is to be restored, and how.
        watch: Told of the progress.

    Raises:
        AlreadyExists: STORE_EXISTS: there is something where the store would be.
        InvalidInput: BACKUP: the file is no backup of this kind of store.
        IntegrityFailure: The root key is not that of the vault in the backup, a row is not what the vault
            wrote, or the content digest is another.
        Unavailable: The disk or the database fails.
    """
    harden()
    custody = open_custody(config)
    _check_kind(config, order.backup)
    if config.store.kind == "sqlite":
        return _restore_file(config.store.path, order, custody, watch)
    return asyncio.run(_restore_dump(config, order, watch))


def _check_kind(config: Config, backup: Path) -> None:
    with backup.open("rb") as file:
        begins = file.read(len(_SQLITE))
    kind = "sqlite" if begins == _SQLITE else "postgres" if begins.startswith(b"PGDMP") else ""
    if not kind:
        raise InvalidInput(f"{backup} is not a backup of a vault", reason="BACKUP")
    if kind != config.store.kind:
        message = (
            f"{backup} is a backup of a {kind} store, and the configuration names a {config.store.kind} store: "
            f"restore it into a {kind} store, then `cardvault move` it"
        )
        raise InvalidInput(message, reason="BACKUP")


def _restore_file(path: Path, order: Order, custody: Custody, watch: Watch) -> Restored:
    for beside in _BESIDE:
        there = path.with_name(path.name + beside)
        if there.exists():
            message = f"{there} exists; a backup is restored only where there is nothing: move it away first"
            raise AlreadyExists(message, reason="STORE_EXISTS")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.restoring-", dir=path.absolute().parent))
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise FailedPrecondition(message, reason="DATABASE_UNREADABLE") from None
    try:
        made = folder / order.backup.name
        made.touch(mode=0o600)
        sqlite_backup.copy(order.backup, made, lambda done, total: watch("copying pages", done, total))
        sqlite_backup.check_pages(made)
        migrate_sqlite(made)
        if order.keys_from is None:
            with sqlite_frozen.moment(made) as tx:
                open_keys(tx, custody, "this backup")
        restored = asyncio.run(_admit(SqliteStore.open(made), custody, None, order, watch))
        sqlite_backup.settle(made)
        os.link(made, path)  # unlike a rename, it never replaces what has come there meanwhile
        sync_folder(path)
    except FileExistsError:
        raise AlreadyExists(f"{path} exists now; nothing was overwritten", reason="STORE_EXISTS") from None
    finally:
        shutil.rmtree(folder)
    return restored


async def _restore_dump(config: Config, order: Order, watch: Watch) -> Restored:
    address = postgres_address(config)
    from vault.stores.postgres import dump  # noqa: PLC0415  psycopg belongs to an extra

    migrate_store(config)  # so that the store can be asked what it holds
    store = open_store(config)
    try:
        left = await store.read(check_not_a_vault)
    finally:
        await store.close()
    if left and not order.restart:
        message = "an earlier restore or move into the store was interrupted; --restart deletes what it has left"
        raise FailedPrecondition(message, reason="TARGET_NOT_EMPTY")
    watch("pg_restore", 0, 0)
    dump.drop_tables(address)
    try:
        row = dump.restore(address, order.backup)
        migrate_store(config)
        return await _admit(open_store(config), open_custody(config), row, order, watch)
    except VaultError:
        with contextlib.suppress(VaultError):  # what is left behind is no vault, and --restart clears it away
            dump.drop_tables(address)
        raise


async def _admit(store: Store, custody: Custody, vault: VaultRow | None, order: Order, watch: Watch) -> Restored:
    try:
        with root_key_of("this backup"):
            return await admit_restored(
                recorder_over(store, custody),
                vault,
                order.wanted,
                watch,
                accept_forged=order.accept_forged,
                live=None if order.keys_from is None else _live_keys(order.keys_from),
            )
    finally:
        await store.close()


def _live_keys(source: Path) -> LiveKeys:
    """Return the keys of the vault that a configuration names, or whose SQLite database this is."""
    with source.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    with sqlite_frozen.moment(source) if is_database else moment(load(source)) as tx:
        return live_keys(tx)
