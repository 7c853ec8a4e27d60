"""The writer: its count, its chain, and what it does when it is not known what became of an event."""

import asyncio
from pathlib import Path

import pytest

from tests.audit.chains import verify_chains
from tests.contracts.faults import FaultyStore, Moment
from tests.workshop import Workshop, workshop
from vault.audit.event import Event, Item, decode, encode
from vault.errors import FailedPrecondition, IntegrityFailure, Unavailable
from vault.service.events import EventFilter
from vault.stores.protocol import Store


async def test_one_writer_counts_without_a_gap(shop: Workshop) -> None:
    await shop.program()
    await asyncio.gather(*(shop.issue() for _ in range(20)))
    (events,) = (await verify_chains(shop)).values()
    assert [event.counter for event in events] == list(range(1, 24))


async def test_each_process_has_a_writer_of_its_own(tmp_path: Path) -> None:
    for _ in range(3):
        async with workshop(tmp_path) as shop:
            await shop.programs.page(shop.call(), frozenset(), "", 1)
    async with workshop(tmp_path) as shop:
        assert [len(events) for events in (await verify_chains(shop)).values()] == [1, 1, 1]


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_commit_whose_outcome_is_unknown_begins_a_new_chain(tmp_path: Path, moment: Moment) -> None:
    stores: list[FaultyStore] = []

    def faulty(store: Store) -> Store:
        stores.append(FaultyStore(store, moment=moment))
        return stores[0]

    async with workshop(tmp_path, wrap=faulty) as shop:
        await shop.programs.page(shop.call(), frozenset(), "", 1)
        calls = stores[0].calls
        await shop.programs.page(shop.call(), frozenset(), "", 1)
        stores[0].fail_at = 2 * stores[0].calls - calls  # the commit of the next one
        with pytest.raises(Unavailable):
            await shop.programs.page(shop.call(), frozenset(), "", 1)
        await shop.programs.page(shop.call(), frozenset(), "", 1)
        lengths = sorted(len(events) for events in (await verify_chains(shop)).values())
        assert lengths == ([1, 2] if moment is Moment.BEFORE else [1, 3])


async def test_work_that_fails_beside_others_breaks_no_chain(shop: Workshop) -> None:
    await shop.program(clear_delivery=False)
    calls = [shop.programs.get(shop.call(), "netcash") if number % 3 else shop.issue() for number in range(60)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(answer, FailedPrecondition) for answer in answers) == 20
    chains = await verify_chains(shop)
    assert sum(len(events) for events in chains.values()) == 3 + 40


@pytest.mark.parametrize("change", ["edit", "remove", "move"])
async def test_an_event_edited_removed_or_moved_within_a_chain_is_noticed(shop: Workshop, change: str) -> None:
    for name in ("one", "two", "three"):
        await shop.program(name)
    _, second, third, *_ = shop.database.rows("audit_event")
    if change == "edit":
        shop.database.put("audit_event", second["rowid"], event=second["event"].replace(b"one", b"eno"))
    elif change == "remove":
        shop.database.delete("audit_event", second["rowid"])
    else:
        shop.database.swap("audit_event", "event", second, third)
    with pytest.raises(IntegrityFailure):
        await verify_chains(shop)


@pytest.mark.parametrize("column", ["recorded_ms", "program", "event"])
async def test_an_event_that_is_not_its_rows_is_not_listed(shop: Workshop, column: str) -> None:
    await shop.program()
    row = shop.database.rows("audit_event")[1]
    value = {"recorded_ms": row["recorded_ms"] + 1, "program": "other", "event": b"\xff" + row["event"]}[column]
    shop.database.put("audit_event", row["rowid"], **{column: value})
    with pytest.raises(IntegrityFailure):
        await shop.events.page(shop.call(), EventFilter(), None, 100)


def test_an_event_is_read_as_it_was_written() -> None:
    items = [Item(bytes(16), "DONE", b"before", b"after"), Item(b"", "UNKNOWN")]
    event = Event("a", "p", "netcash", "c", "r", "OK", "X", "s", "n", True, items, b"sha")  # noqa: FBT003  as stored
    read = decode(encode(event, writer_id=b"w" * 16, counter=7, time_ms=8))
    assert (read.format, read.writer_id, read.counter, read.time_ms) == (1, b"w" * 16, 7, 8)
    assert (read.action, read.principal, read.program, read.correlation_id) == ("a", "p", "netcash", "c")
    assert (read.request_id, read.status, read.reason, read.subject) == ("r", "OK", "X", "s")
    assert (read.note, read.delivered, read.file_sha256) == ("n", True, b"sha")
    assert [(i.card_id, i.outcome, i.tag_before, i.tag_after) for i in read.items] == items


@pytest.mark.parametrize("data", [b"\xff\xff", b"", b"\x08\x02"])
def test_bytes_that_are_no_event_of_this_format_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityFailure):
        decode(data)


def test_an_events_bytes_never_change() -> None:
    """Golden: these bytes are chained and later a tree's leaf, so they are for ever."""
    event = Event("vault.v1.CardService/GetCard", "spiffe://test/a", "netcash", items=[Item(bytes(16), "OK")])
    data = encode(event, writer_id=bytes(range(16)), counter=1, time_ms=1_700_000_000_000)
    assert data.hex() == (
        "0801"  # format
        "1210000102030405060708090a0b0c0d0e0f"  # writer_id
        "1801"  # counter
        "2080d095ffbc31"  # time_ms
        "2a1c7661756c742e76312e43617264536572766963652f47657443617264"  # action
        "320f7370696666653a2f2f746573742f61"  # principal
        "3a076e657463617368"  # program
        "52024f4b"  # status
        "7a160a100000000000000000000000000000000012024f4b"  # items
    )
