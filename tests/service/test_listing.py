"""Listing cards, batches and events, and the page tokens that lead from page to page."""

import os

import pytest

from tests.workshop import START_MS, Workshop
from vault.crypto.rowtag import Tagger
from vault.errors import IntegrityFailure, InvalidInput, NotFound
from vault.model.states import CardState, Usage
from vault.service import rules
from vault.service.cards import CardFilter
from vault.service.events import EventFilter
from vault.service.pages import Pager, page_limit


async def test_cards_are_listed_by_id_and_by_what_is_asked(shop: Workshop) -> None:
    await shop.program()
    view = await shop.issued_batch(5)
    ids = sorted(code.card_id for code in (await shop.issue(5)).codes)
    await shop.change(rules.activate, *ids[:3])
    await shop.change(rules.mark([Usage.EMPTY]), ids[0])

    async def listed(wanted: CardFilter, after: bytes = b"", limit: int = 100) -> list[bytes]:
        return [one.row.card_id for one in await shop.cards.page(shop.call(), "netcash", wanted, after, limit)]

    everything = await listed(CardFilter())
    assert everything == sorted(everything)
    assert len(everything) == 10
    assert await listed(CardFilter(), limit=4) + await listed(CardFilter(), everything[3]) == everything
    assert await listed(CardFilter(batch_id=view.row.batch_id)) == [one for one in everything if one not in ids]
    assert await listed(CardFilter(state=CardState.ACTIVE)) == ids[:3]
    assert await listed(CardFilter(usage=Usage.EMPTY)) == ids[:1]
    assert len((await shop.all_events())[-1].items) == 1
    with pytest.raises(NotFound):
        await shop.cards.page(shop.call(), "nowhere", CardFilter(), b"", 1)


@pytest.mark.parametrize(("table", "reason"), [("card", "ROW_TAG"), ("code", "ROW_TAG"), ("code", "CODE_MISSING")])
async def test_a_page_with_a_forged_or_missing_row_is_refused(shop: Workshop, table: str, reason: str) -> None:
    await shop.program()
    await shop.issue(3)
    row = shop.database.rows(table)[1]
    if reason == "CODE_MISSING":
        shop.database.delete(table, row["rowid"])
    else:
        shop.database.put(table, row["rowid"], generation=2)
    with pytest.raises(IntegrityFailure) as refused:
        await shop.cards.page(shop.call(), "netcash", CardFilter(), b"", 10)
    assert refused.value.reason == reason


async def test_batches_are_listed_newest_first(shop: Workshop) -> None:
    await shop.program()
    made = []
    for _ in range(3):
        made.append((await shop.batch(1)).row)
        shop.clock.advance(1)
    views = await shop.batches.page(shop.call(), "netcash", None, 2)
    assert [view.row for view in views] == made[:0:-1]
    last = views[-1].row
    views = await shop.batches.page(shop.call(), "netcash", (last.created_ms, last.batch_id), 2)
    assert [view.row for view in views] == made[:1]


async def test_events_are_listed_by_time_and_program(shop: Workshop) -> None:
    await shop.program()
    shop.clock.advance(10)
    await shop.program("other")
    call = shop.call("ListEvents")
    views = await shop.events.page(call, EventFilter(end_ms=START_MS + 1), None, 100)
    assert {view.event.program for view in views} == {"netcash"}
    views = await shop.events.page(call, EventFilter(program="other"), None, 100)
    assert {view.event.program for view in views} == {"other"}
    assert len(views) == 3
    rest = await shop.events.page(call, EventFilter(program="other"), views[0].place, 100)
    assert [view.data for view in rest[:2]] == [view.data for view in views[1:]]
    assert all(len(view.chain) == 32 for view in views)


async def test_a_page_token_works_for_its_query_and_caller_only(shop: Workshop) -> None:
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    assert isinstance(snapshot.tagger, Tagger)
    call = shop.call("ListCards")
    pager = Pager(call, ("netcash", 1), os.urandom)
    assert pager.cursor(snapshot, "") == b""
    sealed = pager.next_token(snapshot, b"cursor")
    assert pager.cursor(snapshot, sealed) == b"cursor"
    for other in (
        Pager(call, ("netcash", 2), os.urandom),
        Pager(call, ("other", 1), os.urandom),
        Pager(shop.call("ListBatches"), ("netcash", 1), os.urandom),
        Pager(shop.call("ListCards", principal="spiffe://test/other"), ("netcash", 1), os.urandom),
    ):
        with pytest.raises(InvalidInput):
            other.cursor(snapshot, sealed)


def test_a_page_holds_a_hundred_items_unless_asked_and_never_more_than_a_thousand() -> None:
    assert [page_limit(asked) for asked in (0, 1, 1000, 5000)] == [100, 1, 1000, 1000]
