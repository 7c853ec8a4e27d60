"""Making a backup of a store that may be in use, and confirming copies of the root key.

1. The backup is of one moment; nobody waits for it.
2. The file is new, of mode 0600, on the disk, and its sidecar is written last; what fails leaves neither.
3. The digest is computed over what is in the backup, not over what should be.
4. Rows that are not what the vault wrote stop no backup, since it may be needed as evidence; they are told.

A backup holds no key in clear: without the root key it opens nothing, to its owner too.
"""

import asyncio
import datetime as dt
import os
from pathlib import Path
from typing import NamedTuple

import vault
from vault.audit.event import Event
from vault.config import Config
from vault.custody.file import FileCustody
from vault.custody.protocol import Custody
from vault.errors import FailedPrecondition
from vault.hardening import harden
from vault.service.catalogue import Catalogue
from vault.service.recorder import Recorded
from vault.service.upkeep.content import Content, Forged, Watch, survey
from vault.service.upkeep.rootcopies import confirm, unconfirmed
from vault.stores.protocol import Transaction
from vault.wiring.moments import dump_moment
from vault.wiring.parts import assemble, open_custody, open_store
from vault.wiring.sidecar import Sidecar, create, sidecar_path, sync_folder, write_sidecar


class Backup(NamedTuple):
    """A backup that was made.

    ``problem`` says what is wrong with the rows in it, empty where nothing is; ``unconfirmed_roots`` are the
    versions of the root key in use of which nobody has shown a copy.
    """

    sidecar: Sidecar
    problem: str
    unconfirmed_roots: list[int]


class _Found(NamedTuple):
    content: Content
    problem: str
    unconfirmed_roots: list[int]


def make_backup(config: Config, out: Path, watch: Watch) -> Backup:
    """Back a vault's store up into a new file.

    Raises:
        AlreadyExists: FILE_EXISTS: the file or its sidecar is there.
        FailedPrecondition: It cannot be written there; the vault is not migrated; or a program is missing.
        IntegrityFailure: The root key is not this vault's.
        Unavailable: The store cannot be read now.
    """
    harden()
    custody = open_custody(config)
    os.close(create(sidecar_path(out)))  # taken now, so that nothing is found out too late
    sidecar_path(out).unlink()
    os.close(create(out))
    try:
        made = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        found = asyncio.run(_back_up(config, custody, out, watch))
        content, size = found.content, out.stat().st_size
        sync_folder(out)
        sidecar = Sidecar(config.store.kind, vault.__version__, made, size, content.counts, content.sha256.hex())
        write_sidecar(out, sidecar)
        return Backup(sidecar, found.problem, found.unconfirmed_roots)
    except BaseException:
        out.unlink(missing_ok=True)
        raise


def confirm_copy(config: Config, copy: Path) -> list[int]:
    """Take down that a copy of the root key's file opens the vault's keys; return the root versions confirmed.

    Raises:
        FailedPrecondition: The copy cannot be used, or is the root key's file itself.
        IntegrityFailure: ROOT_KEY: it does not open this vault's keys.
    """
    harden()
    custody = open_custody(config)
    copied = FileCustody(copy)
    if copy.samefile(config.custody.root_key):
        message = f"{copy} is the root key's file itself; name a copy of it, kept elsewhere"
        raise FailedPrecondition(message, reason="ROOT_KEY_FILE")

    async def work() -> list[int]:
        store = open_store(config)
        try:
            parts = await assemble(config, store, custody)
            return await confirm(parts.recorder, custody, copied, os.urandom)
        finally:
            await store.close()

    return asyncio.run(work())


async def _back_up(config: Config, custody: Custody, out: Path, watch: Watch) -> _Found:
    store = open_store(config)
    try:
        parts = await assemble(config, store, custody)
        with dump_moment(config, out, watch) as tx:
            found = _look(tx, custody, watch)
        event = Event("vault/Backup", file_sha256=found.content.sha256)
        await parts.recorder.record(lambda _: Recorded(None, event))
        return found
    finally:
        await store.close()


def _look(tx: Transaction, custody: Custody, watch: Watch) -> _Found:
    snapshot = Catalogue(custody).at(tx)
    forged = Forged()
    content = survey(tx, snapshot, watch, "summing up", forged=forged)
    return _Found(content, forged.problem, unconfirmed(tx, snapshot, custody))
