"""Each call to the store failing, one after the other, in everything that issuing and selling a card does."""

import itertools
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import UUID

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.service.invariants import check_invariants
from tests.workshop import Workshop, workshop
from vault.errors import Unavailable
from vault.model.states import CardState, ChangeOutcome
from vault.service import rules
from vault.service.change import Order
from vault.service.issuing.delivery import Delivery
from vault.service.issuing.issue import CardPlan
from vault.service.select import Selector
from vault.stores.protocol import Store

REQUEST = UUID(int=5)
PLANS = [CardPlan("paid", b"record"), CardPlan("plain")]


async def _prepare(folder: Path) -> list[bytes]:
    async with workshop(folder) as shop:
        await shop.program(single_use=True)
        return [code.card_id for code in (await shop.issue(3)).codes]


async def _issue(shop: Workshop, _: list[bytes]) -> set[bytes]:
    call = shop.call("Issue", request_id=REQUEST, body=b"body")
    codes = (await shop.issuance.issue(call, "netcash", PLANS, Delivery())).codes
    assert len({code.code.expose() for code in codes}) == 2
    return {code.card_id for code in codes}


async def _activate(shop: Workshop, cards: list[bytes]) -> set[bytes]:
    call = shop.call("Activate", request_id=REQUEST, body=b"body")
    order = Order("netcash", [Selector(card) for card in cards[:2]], rules.activate, needs_running=True)
    changes = await shop.changes.apply(call, order)
    assert {change.outcome for change in changes} == {ChangeOutcome.DONE}
    return {change.card_id for change in changes}


async def _close(shop: Workshop, cards: list[bytes]) -> set[bytes]:
    call = shop.call("Close", request_id=REQUEST, body=b"body")
    changes = await shop.changes.apply(call, Order("netcash", [Selector(cards[0])], rules.turn("close")))
    return {change.card_id for change in changes}


def _issued(shop: Workshop) -> set[bytes]:
    return {card["card_id"] for card in shop.database.rows("card") if card["reference"]}


def _sold(shop: Workshop) -> set[bytes]:
    return {card["card_id"] for card in shop.database.rows("card", state=CardState.ACTIVE)}


def _closed(shop: Workshop) -> set[bytes]:
    return {card["card_id"] for card in shop.database.rows("card", state=CardState.CLOSED)}


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize(
    ("act", "effect"), [(_issue, _issued), (_activate, _sold), (_close, _closed)], ids=["issue", "activate", "close"]
)
async def test_no_half_state_whichever_call_fails_and_a_retry_has_one_effect(
    tmp_path: Path,
    act: Callable[[Workshop, list[bytes]], Awaitable[set[bytes]]],
    effect: Callable[[Workshop], set[bytes]],
    moment: Moment,
) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    cards = await _prepare(prepared)
    answered = False
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(prepared, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            try:
                await act(shop, cards)
                answered = True
            except Unavailable:
                answered = False
            reached, stores[0].fail_at = stores[0].failed, None
            before = effect(shop)
            await check_invariants(shop)
            after = await act(shop, cards)
            assert effect(shop) == after
            assert before == after if answered else before in (set(), after)
            assert shop.database.count("request") == 2
            assert await check_invariants(shop) == (5 if act is _issue else 3)
        shutil.rmtree(folder)
        if not reached:
            break
    assert answered
    assert fail_at > 8
