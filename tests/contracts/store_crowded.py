"""Whether other processes write too, so that long work can give way to them."""

import asyncio

from tests.contracts.samples import PROGRAM, TAG
from vault.model.rows import TallyRow
from vault.stores.protocol import Store


async def _write(store: Store, times: int) -> None:
    for _ in range(times):
        await store.transact(lambda tx: tx.tallies.put(TallyRow(PROGRAM, 1, 1, TAG)))


class CrowdContract:
    async def test_whoever_writes_alone_is_not_crowded(self, store: Store, another: Store) -> None:
        await another.read(lambda tx: tx.tallies.get(PROGRAM))
        for _ in range(3):
            await _write(store, 20)
            assert not await store.crowded()

    async def test_who_writes_beside_another_is_crowded_until_the_other_is_done(
        self, store: Store, another: Store
    ) -> None:
        async with asyncio.timeout(120):
            while not await store.crowded():
                await asyncio.gather(_write(store, 10), _write(another, 10))
            while await store.crowded():
                await _write(store, 1)
                await asyncio.sleep(0.05)
