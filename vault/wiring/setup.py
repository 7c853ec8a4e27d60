"""Making a vault ready, and looking whether it is."""

import asyncio
import datetime as dt
import os
from collections.abc import Callable

from vault.config import Config
from vault.errors import VaultError
from vault.policy.access import parse_access
from vault.rpc.tls import TlsFiles
from vault.service.keys import KeyMaker
from vault.service.upkeep.initialise import initialise
from vault.wiring.parts import assemble, clock_ms, migrate_store, open_custody, open_store


def migrate(config: Config) -> list[str]:
    """Bring the store to this release's schema and make the vault's keys if it has none; return what was done.

    Raises:
        FailedPrecondition: The root key's file cannot be used, or the database is no vault's.
        IntegrityFailure: The root key is not the one that this vault's keys were wrapped by.
    """
    custody = open_custody(config)
    done = [f"applied migration {name}" for name in migrate_store(config)]

    async def work() -> None:
        store = open_store(config)
        try:
            keys = KeyMaker(custody, os.urandom)
            made = await store.transact(lambda tx: initialise(tx, keys, random=os.urandom, now_ms=clock_ms()))
            if made:
                done.append("made the vault's keys, wrapped by the root key")
            await assemble(config, store, custody)
        finally:
            await store.close()

    asyncio.run(work())
    return done


def check(config: Config) -> list[tuple[str, str]]:
    """Return what was looked at and what is wrong with it, empty where nothing is."""
    server = config.server

    def certificate() -> str:
        expires = TlsFiles(server.certificate, server.private_key, server.client_ca).expires
        return "" if expires - dt.datetime.now(dt.UTC) > dt.timedelta(days=7) else "expires within a week"

    def access() -> str:
        parse_access(server.access_file.read_bytes())
        return ""

    def root_key() -> str:
        open_custody(config)
        return ""

    def store() -> str:
        async def work() -> None:
            opened = open_store(config)
            try:
                await assemble(config, opened, open_custody(config))
            finally:
                await opened.close()

        asyncio.run(work())
        return ""

    looks: list[tuple[str, Callable[[], str]]] = [
        ("server certificate and key", certificate),
        ("access file", access),
        ("root key", root_key),
        ("store, programs and keys", store),
    ]
    return [(what, _problem(look)) for what, look in looks]


def _problem(look: Callable[[], str]) -> str:
    try:
        return look()
    except VaultError as error:
        return error.message
