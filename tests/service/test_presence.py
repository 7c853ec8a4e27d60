"""Processes whose access files differ say so, once, and only while both are alive."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from vault import log
from vault.service.upkeep.presence import Presence
from vault.stores.protocol import Store
from vault.stores.sqlite import SqliteStore, migrate

ONE, OTHER = b"\xa1" * 32, b"\xb2" * 32


class Process:
    def __init__(self, store: Store, number: int, sha256: bytes = ONE) -> None:
        self.sha256 = sha256
        self.presence = Presence(store, bytes([number]) * 16, lambda: self.sha256)


@pytest.fixture
def lines() -> Iterator[Any]:
    root = logging.getLogger()
    before, level, raises = list(root.handlers), root.level, logging.raiseExceptions
    stream = StringIO()
    log.configure(stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before
    root.setLevel(level)
    logging.raiseExceptions = raises
    logging.captureWarnings(capture=False)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    migrate(tmp_path / "vault.db")
    store = SqliteStore.open(tmp_path / "vault.db")
    yield store
    await store.close()


async def beat(*processes: Process, times: int = 1) -> None:
    for _ in range(times):
        for process in processes:
            await process.presence.beat()
        await asyncio.sleep(0.005)  # the database counts milliseconds


async def test_processes_that_agree_say_nothing(store: Store, lines: Any) -> None:
    await beat(*(Process(store, number) for number in range(3)), times=4)
    assert lines() == []


async def test_both_say_once_that_their_files_differ_and_once_that_it_is_over(store: Store, lines: Any) -> None:
    one, other = Process(store, 1), Process(store, 2, OTHER)
    await beat(one, other, times=5)
    told = sorted(lines(), key=lambda line: str(line["ours"]))  # whoever looks second knows first
    assert [(line["event"], line["ours"], line["theirs"]) for line in told] == [
        ("access_files_differ", ONE.hex(), [OTHER.hex()]),
        ("access_files_differ", OTHER.hex(), [ONE.hex()]),
    ]
    other.sha256 = ONE
    await beat(one, other, times=5)
    assert [line["event"] for line in lines()[2:]] == ["access_files_agree"] * 2


async def test_a_change_that_reaches_all_within_a_beat_is_no_difference(store: Store, lines: Any) -> None:
    one, other = Process(store, 1), Process(store, 2)
    await beat(one, other, times=2)
    one.sha256 = OTHER
    await beat(one, other)
    other.sha256 = OTHER
    await beat(one, other, times=3)
    assert lines() == []


async def test_what_a_killed_process_left_is_no_difference(store: Store, lines: Any, tmp_path: Path) -> None:
    one, killed = Process(store, 1), Process(store, 2, OTHER)
    await beat(killed)
    await beat(one, times=5)
    assert lines() == []


async def test_a_process_that_leaves_is_forgotten_at_once(store: Store) -> None:
    one, other = Process(store, 1), Process(store, 2)
    await beat(one, other)
    await other.presence.leave()
    rows = await store.read(lambda tx: tx.processes.all())
    assert [(row.process_id, row.access_sha256) for row in rows] == [(b"\1" * 16, ONE)]
    assert rows[0].seen_ms > 0
