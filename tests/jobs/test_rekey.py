"""What a re-key makes of rows that others change, spoil or claim while it goes through them."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.jobs.keymoves import begin, everything, move
from tests.jobs.roomy import make_chunks_small
from tests.workshop import Workshop
from vault.jobs import rekey
from vault.jobs.chunk import Chunk
from vault.jobs.drain import Draining, Moved, Ready
from vault.jobs.redigest import Redigest
from vault.model.rows import JobRow
from vault.model.states import Detail, JobKind, JobState, KeyPurpose
from vault.service.recorder import Scope
from vault.service.rotation.naming import count_rows

Mover = Callable[[Redigest, Any, int, Sequence[Any]], Moved]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    make_chunks_small(monkeypatch, 5, 20)


def _without(moved: Moved, index: int) -> Moved:
    """Return what was made but for one row, which is refused."""
    rows, values = list(moved.rows), list(moved.values)
    del rows[index], values[index]
    return Moved(rows, values, moved.refused + 1, "SEALED")


async def _older(shop: Workshop) -> int:
    found = await shop.store.read(lambda tx: count_rows(tx, KeyPurpose.INDEX, "netcash", 1))
    return sum(found.values())


async def test_a_good_row_is_not_left_because_another_one_was_refused(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, superseded = await everything(shop)
    made: Mover = Redigest.move
    refused: list[bytes] = []

    def refusing(self: Redigest, snapshot: Any, table: int, rows: Sequence[Any]) -> Moved:
        """Refuse one row, once: one good row is left then, and as many were refused."""
        moved = made(self, snapshot, table, rows)
        if refused:
            return moved
        refused.append(moved.rows[0].digest)
        return _without(moved, 0)

    monkeypatch.setattr(Redigest, "move", refusing)
    await move(shop, JobKind.REKEY)
    assert len(refused) == 1
    assert await _older(shop) == 0
    assert {judgement.detail for judgement in await shop.judge(*good)} == {Detail.GOOD}
    assert {judgement.detail for judgement in await shop.judge(*superseded)} == {Detail.SUPERSEDED}


async def test_more_spoilt_rows_than_are_checked_at_once_are_left_and_the_job_ends(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, _ = await everything(shop)
    monkeypatch.setattr(rekey, "CHECKED_ROWS", 2)
    spoilt = shop.database.rows("code", program="netcash")[:5]
    for row in spoilt:
        shop.database.put("code", row["rowid"], sealed_code=bytes(60))
    job = await move(shop, JobKind.REKEY)
    assert (job["error_count"], job["last_error"]) == (5, "SEALED")
    assert await _older(shop) == 5
    details = [judgement.detail for judgement in await shop.judge(*good)]
    assert {*details} == {Detail.GOOD, Detail.UNKNOWN}
    assert details.count(Detail.UNKNOWN) <= 5


async def test_a_row_that_changes_while_its_code_is_opened_is_moved_in_the_end(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, superseded = await everything(shop)
    made: Mover = Redigest.move
    raced: list[bytes] = []

    def racing(self: Redigest, snapshot: Any, table: int, rows: Sequence[Any]) -> Moved:
        moved = made(self, snapshot, table, rows)
        for row in moved.rows[:1] if len(raced) < 4 else []:
            raced.append(row.digest)
            (there,) = shop.database.rows("code", digest=row.digest)
            shop.database.put("code", there["rowid"], tag=b"for a moment")
            monkeypatch.setattr(shop.store, "settle", _putting_back(shop, row, shop.store.settle))
        return moved

    monkeypatch.setattr(Redigest, "move", racing)
    await move(shop, JobKind.REKEY)
    assert len(raced) == 4
    assert await _older(shop) == 0
    assert {judgement.detail for judgement in await shop.judge(*good)} == {Detail.GOOD}
    assert {judgement.detail for judgement in await shop.judge(*superseded)} == {Detail.SUPERSEDED}


def _putting_back(shop: Workshop, row: Any, settle: Callable[[], Any]) -> Callable[[], Any]:
    """Return a ``settle`` that gives the row its tag again."""

    async def settled() -> None:
        for there in shop.database.rows("code", digest=row.digest):
            shop.database.put("code", there["rowid"], tag=row.tag)
        await settle()

    return settled


async def test_what_was_not_cleared_is_cleared_before_the_end(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    good, _ = await everything(shop)
    job_id = await begin(shop, JobKind.REKEY)
    await shop.work(lambda: len(shop.database.rows("key_version", purpose=KeyPurpose.INDEX, program="netcash")) == 2)
    new = [card.code.expose() for card in (await shop.issue(9)).codes]
    assert await _older(shop) >= 9
    moves = await shop.store.read(lambda tx: type(tx.moves))
    cleared: Callable[..., tuple[int, bytes]] = moves.clear
    missed: list[int] = []

    def missing(self: Any, program: str, version: int, position: bytes, limit: int) -> tuple[int, bytes]:
        """Pass over everything at first, as if the rows were moved behind the place where it is."""
        if not missed:
            missed.append(version)
            return 0, b""
        return cleared(self, program, version, position, limit)

    monkeypatch.setattr(moves, "clear", missing)
    await shop.work_all()
    assert missed == [2]
    (job,) = shop.database.rows("job", job_id=job_id)
    assert (job["state"], job["error_count"]) == (JobState.DONE, 0)
    assert await _older(shop) == 0
    known = {judgement.detail for judgement in await shop.judge(*good, *new)}
    assert known == {Detail.GOOD, Detail.INACTIVE}


async def test_a_digest_that_is_another_codes_stops_the_job(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    good, _ = await everything(shop)
    made: Mover = Redigest.move
    seen: list[tuple[Any, ...]] = []

    def twice(self: Redigest, snapshot: Any, table: int, rows: Sequence[Any]) -> Moved:
        moved = made(self, snapshot, table, rows)
        seen.extend(moved.values)
        values = [(seen[0][0], *own[1:]) if number > 5 else own for number, own in enumerate(moved.values, len(seen))]
        return moved._replace(values=values)

    monkeypatch.setattr(Redigest, "move", twice)
    job_id = await begin(shop, JobKind.REKEY)
    await shop.work_all()
    (job,) = shop.database.rows("job", job_id=job_id)
    assert (job["state"], job["last_error"]) == (JobState.FAILED, "CODE_TWICE")
    assert {judgement.detail for judgement in await shop.judge(*good)} == {Detail.GOOD}


async def test_what_was_made_ahead_holds_when_something_else_than_keys_changes(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, _ = await everything(shop)
    made, write = Redigest.move, Draining._write
    opened = 0

    def counting(self: Redigest, snapshot: Any, table: int, rows: Sequence[Any]) -> Moved:
        nonlocal opened
        opened += len(rows)
        return made(self, snapshot, table, rows)

    def changing(self: Draining, scope: Scope, job: JobRow, ready: Ready) -> Chunk:
        """Write a chunk, and what has every process read programs, keys and holds again."""
        shop.recorder.catalogue.bump(scope.tx)
        return write(self, scope, job, ready)

    monkeypatch.setattr(Redigest, "move", counting)
    monkeypatch.setattr(Draining, "_write", changing)
    await move(shop, JobKind.REKEY)
    assert opened == len(shop.database.rows("code", program="netcash"))
    assert {judgement.detail for judgement in await shop.judge(*good)} == {Detail.GOOD}
