"""Making a vault ready."""

import asyncio
import os

from vault.config import Config
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
