"""Nobody is harmed by a wrong, repeated or huge request that is answered at the same moment."""

import asyncio
import tracemalloc
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from tests.service.sealing import REDEEM, WISH, Edge, Shop, receipt_claims
from tests.service.wrapped import CountingStore
from tests.workshop import Workshop, workshop
from vault.errors import AlreadyExists, Conflict, InvalidInput
from vault.model.states import Detail
from vault.service import rules
from vault.service.answering.submissions import AGE_MS
from vault.service.catalogue import Catalogue
from vault.stores.postgres import Address
from vault.stores.postgres.table import COPY_ROWS
from vault.stores.protocol import Store, Transaction

ENVELOPES = 100


async def _sold(shop: Workshop, count: int = 1) -> list[bytes]:
    await shop.program(single_use=True)
    issued = (await shop.issue(count)).codes
    await shop.change(rules.activate, *(code.card_id for code in issued))
    return [code.code.expose() for code in issued]


@pytest.mark.parametrize("wrong_first", [True, False])
async def test_a_wrong_request_takes_no_request_id_from_the_right_one_beside_it(
    shop: Workshop, wrong_first: bool
) -> None:
    codes = await _sold(shop, 2)
    teller, edge, request_id = Shop(shop), Edge(shop), uuid4()
    wrong, right = await edge.seal(*codes), await edge.seal(codes[0])
    presented = [wrong, right] if wrong_first else [right, wrong]
    asked = (teller.ask(sealed, call=teller.call("ValidateCode", request_id)) for sealed in presented)
    told = await asyncio.gather(*asked, return_exceptions=True)
    refused, answered = told if wrong_first else reversed(told)
    assert isinstance(refused, InvalidInput)
    assert refused.reason == "SUBMISSION_ALONE"
    assert not isinstance(answered, BaseException)
    assert [judgement.detail for judgement in answered.judgements] == [Detail.GOOD]


async def test_of_two_right_requests_under_one_id_the_second_is_told_so(shop: Workshop) -> None:
    codes = await _sold(shop, 2)
    teller, edge, request_id = Shop(shop), Edge(shop), uuid4()
    sealed = [await edge.seal(code) for code in codes]
    asked = (teller.ask(each, call=teller.call("ValidateCode", request_id)) for each in sealed)
    first, second = await asyncio.gather(*asked, return_exceptions=True)
    assert not isinstance(first, BaseException)
    assert isinstance(second, AlreadyExists)
    assert second.reason == "REQUEST_ID_REUSED"


async def test_a_request_that_two_vaults_answer_at_once_fails_nobody_in_a_large_group(
    tmp_path: Path, address: Address
) -> None:
    async with AsyncExitStack() as stack:
        vaults = [await stack.enter_async_context(workshop(tmp_path, address=address)) for _ in range(2)]
        (code,) = await _sold(vaults[0])
        edge, teller = Edge(vaults[0]), Shop(vaults[0])
        key = await edge.key()
        for _ in range(3):
            old = await edge.seal(code, key=key, seal_time_ms=vaults[0].clock.now_ms - AGE_MS - 1)
            calls = [teller.call("ValidateCode") for _ in range(20)]
            asked = [teller.ask(old, call=call, vault=vault) for call in calls for vault in vaults]
            asked += [
                teller.ask(await edge.seal(code, key=key), vault=vault) for _ in range(COPY_ROWS) for vault in vaults
            ]
            details = [told.judgements[0].detail for told in await asyncio.gather(*asked)]
            assert details == [Detail.SUBMISSION] * 40 + [Detail.GOOD] * 2 * COPY_ROWS


@pytest.mark.parametrize("age_ms", [0, AGE_MS + 1])
async def test_many_full_envelopes_in_one_request_are_not_kept_open(shop: Workshop, age_ms: int) -> None:
    (code,) = await _sold(shop)
    teller, edge = Shop(shop), Edge(shop)
    envelope = await edge.seal(*[code] * 1000, seal_time_ms=shop.clock.now_ms - age_ms)
    tracemalloc.start()
    try:
        asking = teller.ask(*[envelope] * ENVELOPES, several=True)
        (told,) = await asyncio.gather(asking, return_exceptions=True)
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(told, InvalidInput) == (not age_ms)
    assert most_bytes < ENVELOPES * len(envelope.blob)


class _Forgetting:
    """Has work that changes the catalogue fail right after each piece of work."""

    def __init__(self, inner: Store) -> None:
        self._counting = CountingStore(inner)
        self.catalogue: Catalogue | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._counting, name)

    async def transact(self, work: object) -> object:
        """Run work, then other work that fails."""
        result: object = await self._counting.transact(work)  # type: ignore[arg-type]
        if self.catalogue is not None:
            with pytest.raises(Conflict):
                await self._counting.transact(self._fail)
        return result

    def _fail(self, tx: Transaction) -> None:
        assert self.catalogue is not None
        self.catalogue.bump(tx)
        message = "it comes to nothing"
        raise Conflict(message)


async def test_a_redemption_has_its_receipt_though_another_change_fails_at_that_moment(tmp_path: Path) -> None:
    stores: list[_Forgetting] = []

    def wrap(store: Store) -> Store:
        stores.append(_Forgetting(store))
        return stores[0]  # type: ignore[return-value]

    async with workshop(tmp_path, wrap=wrap) as shop:
        (code,) = await _sold(shop)
        sealed = await Edge(shop).seal(code, purpose=REDEEM)
        stores[0].catalogue = shop.recorder.catalogue
        redemption = await shop.redemptions.redeem(Shop(shop).call("RedeemCode"), "netcash", sealed, WISH)
        stores[0].catalogue = None
        assert redemption.detail is Detail.GOOD
        assert (await receipt_claims(shop, redemption.receipt))["outcome"] == "REDEEMED"
