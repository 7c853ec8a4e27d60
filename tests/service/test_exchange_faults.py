"""Claims at the same time, stores that fail at every call, and rows that somebody edited."""

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
from tests.service.exchanging import SECRET, Claimant, Leaked, leaked, sold
from tests.workshop import Workshop, workshop
from vault import log
from vault.errors import Unavailable
from vault.model.states import Detail, HoldKind, Proof
from vault.service.select import Selector
from vault.stores.postgres import Address
from vault.stores.protocol import Store

CLAIMS = 20
PROCESSES = 4


async def test_of_claims_at_once_one_wins_and_the_card_is_contested(
    tmp_path: Path, shop_address: Address | None
) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]
        _, _, (card,) = await leaked(shops[0])
        claimants = [Claimant(shops[number % PROCESSES]) for number in range(CLAIMS)]
        right = card.right[Proof.SERIAL]
        answers = await asyncio.gather(*(each.claim(card.old.code.expose(), right) for each in claimants))
        won = [(who, answer) for who, answer in zip(claimants, answers, strict=True) if answer.done]
        assert len(won) == 1
        assert {answer.detail for answer in answers if not answer.done} == {Detail.FROZEN}
        assert {answer.sealed_code for answer in answers if not answer.done} == {b""}
        winner, answer = won[0]
        assert winner.open(answer).code.encode() == card.code
        (row,) = shops[0].database.rows("exchange")
        assert row["request_id"] == winner.request_id.bytes
        (hold,) = shops[0].database.rows("hold")
        assert (hold["kind"], hold["ids"]) == (HoldKind.CONTESTED, card.card_id)
        for shop in shops:
            assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.FROZEN]
        reasons = [event.reason for event in await shops[0].all_events() if event.action.endswith("/ExchangeCode")]
        assert (len(reasons), reasons.count("EXCHANGE_CONTESTED")) == (CLAIMS, CLAIMS - 1)


async def test_one_claim_sent_many_times_at_once_is_one_claim(tmp_path: Path, shop_address: Address | None) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]
        _, _, (card,) = await leaked(shops[0])
        holder = Claimant(shops[0])
        answers = await asyncio.gather(
            *(
                holder.claim(card.old.code.expose(), card.right[Proof.SERIAL], shop=shops[number % PROCESSES])
                for number in range(CLAIMS)
            )
        )
        assert {holder.open(answer).code.encode() for answer in answers} == {card.code}
        assert shops[0].database.count("exchange") == 1
        assert not shops[0].database.rows("hold")


async def test_wrong_proofs_at_once_are_all_counted(tmp_path: Path, shop_address: Address | None) -> None:
    async with AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(workshop(tmp_path, address=shop_address)) for _ in range(PROCESSES)]
        _, _, (card, other) = await leaked(shops[0], Proof.SALE_SECRET, 2)
        wrong = other.right[Proof.SALE_SECRET]._replace(value=other.right[Proof.SERIAL].value)
        await asyncio.gather(
            *(Claimant(shops[number % PROCESSES]).claim(card.old.code.expose(), wrong) for number in range(CLAIMS))
        )
        (row,) = shops[0].database.rows("attempt", card_id=card.card_id)
        assert row["failures"] == 5  # the others came while a wait was on


class Sent:
    """A claim that is sent, and sent again: first a right one, then a second one that contests it."""

    def __init__(self, shop: Workshop, card: Leaked, claimants: list[Claimant]) -> None:
        self.shop = shop
        self.card = card
        self.claimants = claimants

    async def send(self) -> list[bool]:
        """Send both."""
        code, right = self.card.old.code.expose(), self.card.right[Proof.SERIAL]
        answers = [await each.claim(code, right, shop=self.shop) for each in self.claimants]
        assert self.claimants[0].open(answers[0]).code.encode() == self.card.code
        return [answer.done for answer in answers]


@pytest.mark.parametrize("moment", list(Moment))
async def test_no_half_exchange_whichever_call_fails(tmp_path: Path, moment: Moment) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    async with workshop(prepared) as made:
        _, _, (card,) = await leaked(made)
        claimants = [Claimant(made) for _ in range(2)]
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(prepared, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            sent = Sent(shop, card, claimants)
            try:
                assert await sent.send() == [True, False]
            except Unavailable:
                exchanged, held = shop.database.count("exchange"), shop.database.count("hold")
                assert (exchanged, held) in {(0, 0), (1, 0), (1, 1)}
            reached, stores[0].fail_at = stores[0].failed, None
            assert await sent.send() == [True, False]
            (row,) = shop.database.rows("exchange")
            assert row["request_id"] == claimants[0].request_id.bytes
            assert shop.database.count("hold") == 1
            assert [judged.detail for judged in await shop.judge(card.code)] == [Detail.FROZEN]
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 30


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_sale_and_its_secret_are_stored_together_whichever_call_fails(tmp_path: Path, moment: Moment) -> None:
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    async with workshop(prepared) as made:
        await made.program()
        (code,) = (await made.issue()).codes
    secret = Leaked(code, b"", "").right[Proof.SALE_SECRET].value
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(prepared, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            request_id = Claimant(shop).request_id
            for _ in range(2):
                call = shop.call("ActivateCards", request_id=request_id)
                try:
                    await shop.sales.activate(call, "netcash", [Selector(code.card_id)], [secret])
                except Unavailable:
                    (card,) = shop.database.rows("card")
                    assert shop.database.count("sale_secret") == (card["activated_ms"] is not None)
            (row,) = shop.database.rows("sale_secret")
            assert row["secret_version"] == 1
            reached = stores[0].failed
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 8


@pytest.mark.parametrize("table", ["reissue", "sale_secret", "exchange", "card", "code"])
async def test_a_row_that_was_edited_gives_nothing_out(shop: Workshop, table: str) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    if table == "exchange":
        await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SALE_SECRET])
    edits: dict[str, dict[str, object]] = {
        "reissue": {"state": 3},
        "sale_secret": {"secret_version": 2},
        "exchange": {"principal": "spiffe://test/thief"},
        "card": {"reference": "edited"},
        "code": {"serial": "A00000000000A"},
    }
    for row in shop.database.rows(table, card_id=card.card_id):
        shop.database.put(table, row["rowid"], **edits[table])
    claimed = await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SALE_SECRET])
    assert (claimed.done, claimed.detail, claimed.sealed_code) == (False, Detail.INTEGRITY, b"")
    assert shop.database.count("exchange") == (table == "exchange")


async def test_rows_of_another_card_do_not_help(shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    (other,) = await sold(shop)
    (mine,) = shop.database.rows("sale_secret", card_id=other.card_id)
    (theirs,) = shop.database.rows("sale_secret", card_id=card.card_id)
    for column in ("sealed_secret", "wrapped_secret_key"):
        shop.database.swap("sale_secret", column, mine, theirs)
    claimed = await Claimant(shop).claim(card.old.code.expose(), card.right[Proof.SALE_SECRET])
    assert (claimed.done, claimed.detail) == (False, Detail.INTEGRITY)


@pytest.fixture
def logged() -> Iterator[StringIO]:
    root = logging.getLogger()
    before, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    stream = StringIO()
    log.configure(stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    logging.raiseExceptions = raises
    logging.captureWarnings(capture=False)


async def test_the_log_names_cards_and_never_what_was_claimed_or_shown(logged: StringIO, shop: Workshop) -> None:
    _, _, (card,) = await leaked(shop, Proof.SALE_SECRET)
    code, right = card.old.code.expose(), card.right[Proof.SALE_SECRET]
    for _ in range(2):
        await Claimant(shop).claim(code, right)
    (row,) = shop.database.rows("exchange")
    shop.database.put("exchange", row["rowid"], principal="spiffe://test/thief")
    await Claimant(shop).claim(code, right)
    lines = [json.loads(line) for line in logged.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines if line["level"] != "info"] == [
        ("exchange_contested", "warning"),
        ("row_refused", "error"),
    ]
    assert all(card.card_id.hex() in json.dumps(line) for line in lines if line["level"] != "info")
    events = [str(event) for event in await shop.all_events()]
    for secret in (code, card.code, SECRET.expose()):
        assert not any(secret.decode() in text for text in (logged.getvalue(), *events))
