"""Jobs that move rows from key to key over a store whose n-th call fails, for every n with ``--long``."""

import itertools
import shutil
from pathlib import Path

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.jobs.keymoves import begin, data_keys, plaintexts, reissue
from tests.jobs.lanes import work_off
from tests.jobs.roomy import make_chunks_small
from tests.service.invariants import check_invariants
from tests.workshop import workshop
from vault.model.states import CardState, Detail, JobKind, JobState, KeyPurpose
from vault.service.issuing.issue import CardPlan
from vault.service.rotation.naming import MOVED_BY, count_rows
from vault.stores.protocol import Store

SHORT = 12
"""The short form fails every twelfth call, in each case another one first; ``--long`` every one."""


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    make_chunks_small(monkeypatch, 3, 3, 0.002)


async def _small(folder: Path) -> tuple[list[bytes], bytes]:
    async with workshop(folder) as shop:
        await shop.program()
        plan = CardPlan(payload=b"payload", state=CardState.ACTIVE)
        issued = (await shop.issue(4, plan=plan)).codes
        superseded = issued[0].code.expose()
        new = await reissue(shop, "netcash", issued[0].card_id)
        return [new, *(card.code.expose() for card in issued[1:])], superseded


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("kind", [JobKind.REKEY, JobKind.REWRAP, JobKind.REENCRYPT, JobKind.RETAG])
async def test_rows_are_moved_whole_whichever_call_to_the_store_fails(
    tmp_path: Path, kind: JobKind, moment: Moment, request: pytest.FixtureRequest
) -> None:
    step = 1 if request.config.getoption("--long") else SHORT
    first = 1 + (2 * kind + list(Moment).index(moment)) % step
    begun = tmp_path / "begun"
    begun.mkdir()
    good, superseded = await _small(begun)
    async with workshop(begun) as shop:
        keys, records = await data_keys(shop), await plaintexts(shop)
        await begin(shop, kind)
    purpose, program = MOVED_BY[kind], "" if kind == JobKind.RETAG else "netcash"
    for fail_at in itertools.count(first, step):
        folder = tmp_path / str(fail_at)
        shutil.copytree(begun, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            await work_off(shop)
            reached, stores[0].fail_at = stores[0].failed, None
            (job,) = shop.database.rows("job")
            assert (job["state"], job["error_count"]) == (JobState.DONE, 0)
            assert not any((await shop.store.read(lambda tx: count_rows(tx, purpose, program, 1))).values())
            assert (await data_keys(shop) == keys) == (kind != JobKind.REENCRYPT)
            assert await plaintexts(shop) == records
            details = [judgement.detail for judgement in await shop.restarted().judge(*good, superseded)]
            assert details == [Detail.GOOD] * len(good) + [Detail.SUPERSEDED]
            assert len(shop.database.rows("key_version", purpose=purpose, program=program)) == 2
            await check_invariants(shop)
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 50
    assert KeyPurpose(purpose)
