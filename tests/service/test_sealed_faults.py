"""Sealed codes when processes race, stores fail at every call, and everything that is written is searched."""

import asyncio
import itertools
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import AsyncExitStack
from io import StringIO
from pathlib import Path

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.service.sealing import REDEEM, WISH, Edge, Shop
from tests.workshop import Workshop, workshop
from vault import log
from vault.errors import Unavailable
from vault.model.states import Detail
from vault.service import rules
from vault.service.answering.submissions import Sealed
from vault.stores.postgres import Address
from vault.stores.protocol import Store

PROCESSES = 3
CALLS = 30


async def _sold(shop: Workshop, count: int = 1) -> list[bytes]:
    await shop.program(single_use=True)
    issued = (await shop.issue(count)).codes
    await shop.change(rules.activate, *(code.card_id for code in issued))
    return [code.code.expose() for code in issued]


async def test_of_one_submission_in_several_processes_one_use_is_taken(
    tmp_path: Path, shop_address: Address | None
) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]
        codes = await _sold(shops[0], 5)
        edge, teller = Edge(shops[0]), Shop(shops[0])
        for _ in range(3):
            sealed = [await edge.seal(code) for code in codes]
            asked = [
                teller.ask(*sealed[::turn], several=True, vault=shops[number % PROCESSES])
                for number in range(CALLS)
                for turn in (1, -1)
            ]
            told = await asyncio.gather(*asked)
            good = sum(j.detail is Detail.GOOD for each in told for j in each.judgements)
            refused = sum(j.detail is Detail.SUBMISSION for each in told for j in each.judgements)
            assert (good, refused) == (len(codes), (2 * CALLS - 1) * len(codes))


async def test_of_one_redemption_in_several_processes_each_request_has_one_result(
    tmp_path: Path, shop_address: Address | None
) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]
        (code,) = await _sold(shops[0])
        sealed, teller = await Edge(shops[0]).seal(code, purpose=REDEEM), Shop(shops[0])
        calls = [teller.call("RedeemCode") for _ in range(4)]
        results = await asyncio.gather(
            *(
                shops[number % PROCESSES].redemptions.redeem(calls[number % 4], "netcash", sealed)
                for number in range(CALLS)
            )
        )
        by_call = [{results[number] for number in range(place, CALLS, 4)} for place in range(4)]
        assert all(len(found) == 1 for found in by_call)
        details = sorted(result.detail for (result,) in map(tuple, by_call))
        assert details == [Detail.GOOD, *[Detail.SUBMISSION] * 3]


class Sent:
    """A validation and a redemption, each sealed once, that are sent and sent again."""

    def __init__(self, shop: Workshop, validated: Sealed, redeemed: Sealed) -> None:
        teller = Shop(shop)
        self.validated = validated
        self.redeemed = redeemed
        self.teller = teller
        self.calls = teller.call("ValidateCode"), teller.call("RedeemCode")

    async def send(self, shop: Workshop) -> tuple[str, bytes]:
        """Send both, and return the receipt and the redemption's id."""
        told = await self.teller.ask(self.validated, call=self.calls[0], wish=WISH, vault=shop)
        assert told.judgements[0].detail is Detail.GOOD
        redemption = await shop.redemptions.redeem(self.calls[1], "netcash", self.redeemed, WISH)
        assert redemption.detail is Detail.GOOD
        return told.receipt, redemption.redemption_id


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_retry_gets_the_one_answer_whichever_call_failed(tmp_path: Path, moment: Moment) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    async with workshop(prepared) as made:
        (code,) = await _sold(made)
        edge = Edge(made)
        sent = Sent(made, await edge.seal(code), await edge.seal(code, purpose=REDEEM))
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(prepared, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            try:
                before = await sent.send(shop)
            except Unavailable:
                before = None
                kept = {row["request_id"] for row in shop.database.rows("request", principal=sent.teller.principal)}
                bound = {row["request_id"] for row in shop.database.rows("submission")}
                assert kept == bound
            reached, stores[0].fail_at = stores[0].failed, None
            after = await sent.send(shop)
            assert before in {None, after}
            assert await sent.send(shop) == after
            assert shop.database.count("submission") == 2
            (card,) = shop.database.rows("card")
            assert card["redemption_id"] == after[1]
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 20


@pytest.fixture
def logged() -> Iterator[StringIO]:
    root = logging.getLogger()
    before, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    stream = StringIO()
    log.configure("debug", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.raiseExceptions = raises
    logging.captureWarnings(capture=False)


async def test_no_code_is_written_anywhere_that_was_sealed(logged: StringIO, shop: Workshop) -> None:
    codes = await _sold(shop, 3)
    edge, teller = Edge(shop), Shop(shop)
    sealed = [await edge.seal(code) for code in codes]
    await teller.ask(*sealed, several=True, wish=WISH)
    await teller.ask(*sealed, several=True)  # replayed
    await shop.redemptions.redeem(teller.call("RedeemCode"), "netcash", await edge.seal(codes[0], purpose=REDEEM), WISH)
    for row in shop.database.rows("submission")[:1]:
        shop.database.put("submission", row["rowid"], principal="spiffe://test/thief")
    failures = await asyncio.gather(*(teller.ask(each) for each in sealed), return_exceptions=True)
    assert any(isinstance(failure, Exception) for failure in failures)
    dumped = shop.database.dump() if hasattr(shop.database, "dump") else {}
    texts = [logged.getvalue(), *map(repr, failures), repr(dumped), *map(str, await shop.all_events())]
    for code in codes:
        assert not any(code.decode() in text for text in texts)
    assert all(json.loads(line) for line in logged.getvalue().splitlines())
