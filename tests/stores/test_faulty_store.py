"""The store that fails on demand keeps to its own promises."""

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.contracts.samples import PROGRAM, TAG
from vault.errors import Unavailable
from vault.model.rows import TallyRow
from vault.stores.protocol import Store, Transaction


async def live(store: Store) -> dict[int, int]:
    return {row.slot: row.live for row in await store.read(lambda tx: tx.tallies.get(PROGRAM))}


async def run(store: Store, callbacks: list[str]) -> int:
    def work(tx: Transaction) -> int:
        tx.on_failure(lambda: callbacks.append("first"))
        tx.on_failure(lambda: callbacks.append("second"))
        tx.tallies.put(TallyRow(PROGRAM, 1, 1, TAG))
        tx.vault.bump_catalogue()
        return tx.vault.catalogue_number()

    return await store.transact(work)


async def test_without_a_fault_it_only_counts(store: Store) -> None:
    faulty: Store = FaultyStore(store)
    callbacks: list[str] = []
    assert await run(faulty, callbacks) == 1
    assert await live(faulty) == {1: 1}
    assert isinstance(faulty, FaultyStore)
    assert faulty.calls == 5, "three calls and a commit, then one call of a read"
    assert not faulty.failed
    assert callbacks == []


@pytest.mark.parametrize("moment", Moment)
@pytest.mark.parametrize("call", [1, 2, 3, 4])
async def test_each_call_can_fail_once(store: Store, call: int, moment: Moment) -> None:
    faulty = FaultyStore(store, call, moment)
    callbacks: list[str] = []
    with pytest.raises(Unavailable):
        await run(faulty, callbacks)
    written = call == 4 and moment is Moment.AFTER
    assert faulty.failed
    assert callbacks == ["second", "first"]
    assert await live(store) == ({1: 1} if written else {})
    assert await run(faulty, callbacks) == 1 + written
    assert callbacks == ["second", "first"]


@pytest.mark.parametrize("moment", Moment)
async def test_a_call_of_a_read_can_fail(store: Store, moment: Moment) -> None:
    faulty = FaultyStore(store, 1, moment)
    with pytest.raises(Unavailable):
        await live(faulty)
    assert await live(faulty) == {}
    assert faulty.calls == 2
