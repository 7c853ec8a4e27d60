"""Jobs that move rows from key to key: what they change, what they leave, and what they never forget."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.jobs.keymoves import BLOB_TABLES, data_keys, everything, move, plaintexts, stored
from tests.jobs.roomy import make_chunks_small
from tests.service.invariants import check_invariants
from tests.workshop import Workshop
from vault.crypto.envelope import version_of
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.formats.v1.job_record_pb2 import JobSpec
from vault.jobs.retag import Retag
from vault.model.shape import SHAPES
from vault.model.states import Detail, JobKind, JobState, KeyPurpose, KeyState
from vault.service.rotation.joborder import RotationOrder
from vault.service.rotation.naming import BLOBS, NAMES, count_rows
from vault.service.rotation.promotion import versions

BLOB_JOBS = [JobKind.REWRAP, JobKind.REENCRYPT]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    make_chunks_small(monkeypatch, 5, 20)


async def states(shop: Workshop, purpose: KeyPurpose, program: str = "netcash") -> dict[int, KeyState]:
    rows = await shop.store.read(lambda tx: versions(shop.recorder.scope(tx), purpose, program))
    return {row.version: KeyState(row.state) for row in rows}


async def counts(shop: Workshop, purpose: KeyPurpose, version: int, program: str = "netcash") -> dict[str, int]:
    return await shop.store.read(lambda tx: count_rows(tx, purpose, program, version))


async def test_rewrapping_keeps_every_data_key_and_every_ciphertext(shop: Workshop) -> None:
    await everything(shop)
    keys, records, before = await data_keys(shop), await plaintexts(shop), stored(shop, BLOB_TABLES)
    job = await move(shop, JobKind.REWRAP)
    after = stored(shop, BLOB_TABLES)
    assert await data_keys(shop) == keys
    assert await plaintexts(shop) == records
    wrapped = {blob.wrapped for blob in BLOBS}
    for table in BLOB_TABLES:
        for old, new in zip(before[table], after[table], strict=True):
            changed = {name for name in old if old[name] != new[name]}
            assert changed == ({name for name in wrapped if old.get(name)} if old["program"] == "netcash" else set())
            assert all(version_of(new[name]) == 2 for name in changed)
    assert job["done_count"] == job["total_count"] == sum((await counts(shop, KeyPurpose.WRAPPING, 2)).values())
    assert not any((await counts(shop, KeyPurpose.WRAPPING, 1)).values())
    assert await states(shop, KeyPurpose.WRAPPING) == {1: KeyState.DEACTIVATED, 2: KeyState.ACTIVE}
    assert await states(shop, KeyPurpose.WRAPPING, "other") == {1: KeyState.ACTIVE}


async def test_reencryption_replaces_every_data_key_and_every_ciphertext_but_a_packages_key(shop: Workshop) -> None:
    await everything(shop)
    keys, records, before = await data_keys(shop), await plaintexts(shop), stored(shop, BLOB_TABLES)
    await move(shop, JobKind.REENCRYPT)
    after, new_keys = stored(shop, BLOB_TABLES), await data_keys(shop)
    assert await plaintexts(shop) == records
    packages = {place for place in keys if place.table in {"batch", "package"}}
    assert packages
    ours = {place for place in keys if place.program == "netcash"}
    assert {place for place in keys if keys[place] == new_keys[place]} == packages | (keys.keys() - ours)
    assert len({*keys.values(), *new_keys.values()}) == len(keys) + len(ours - packages)
    for blob in BLOBS:
        for old, new in zip(before[blob.shape.table], after[blob.shape.table], strict=True):
            for column in blob.columns:
                if old[column] is not None and old["program"] == "netcash":
                    assert old[column] != new[column]
                    assert version_of(new[column]) == 2
                else:
                    assert old[column] == new[column]
    assert not any((await counts(shop, KeyPurpose.WRAPPING, 1)).values())


async def test_every_row_of_every_table_is_tagged_anew(shop: Workshop) -> None:
    await everything(shop)
    before = stored(shop, SHAPES)
    await move(shop, JobKind.RETAG)
    after = stored(shop, SHAPES)
    tagged = [table for table, rows in after.items() if rows and "tag" in rows[0]]
    assert len(tagged) >= 12
    for table in tagged:
        assert {row["tag"][1:5] for row in after[table]} == {b"\0\0\0\2"}
        if table not in {"job", "key_version"}:
            news = [{**row, "tag": b""} for row in after[table]]
            olds = [{**row, "tag": b""} for row in before[table]]
            assert [row for row in olds if row not in news] == []
    assert not any((await counts(shop, KeyPurpose.ROW_TAG, 1, "")).values())
    assert await states(shop, KeyPurpose.ROW_TAG, "") == {1: KeyState.DEACTIVATED, 2: KeyState.ACTIVE}
    await shop.restarted().work_all()
    await check_invariants(shop)


async def test_every_code_gets_its_digest_under_the_new_key_and_loses_the_old_one(shop: Workshop) -> None:
    good, superseded = await everything(shop)
    before = stored(shop, ["code"])["code"]
    job = await move(shop, JobKind.REKEY)
    after = stored(shop, ["code"])["code"]
    old = {(row["card_id"], row["generation"]): row for row in before}
    new = {(row["card_id"], row["generation"]): row for row in after}
    assert old.keys() == new.keys()
    assert len(new) == len(after) == len(before)
    for place, row in new.items():
        same = {name for name in row if row[name] == old[place][name] and name != "rowid"}
        ours = row["program"] == "netcash"
        assert {"digest", "index_version", "tag"}.isdisjoint(same) == ours
        assert same >= {"program", "card_id", "generation", "serial", "sealed_code", "wrapped_code_key"}
        assert row["index_version"] == (2 if ours else 1)
    assert await states(shop, KeyPurpose.INDEX) == {1: KeyState.DEACTIVATED, 2: KeyState.ACTIVE}
    assert job["done_count"] == job["total_count"]
    for vault in (shop, shop.restarted()):
        judged = await vault.judge(*good, *superseded)
        assert [judgement.detail for judgement in judged] == [Detail.GOOD] * len(good) + [Detail.SUPERSEDED] * len(
            superseded
        )
    await check_invariants(shop)


@pytest.mark.parametrize("kind", [JobKind.REKEY, *BLOB_JOBS, JobKind.RETAG])
async def test_a_key_that_waits_is_the_one_that_is_promoted(shop: Workshop, kind: JobKind) -> None:
    await everything(shop)
    purpose, program = _moves(kind)
    view = await shop.key_versions.create(shop.call(), purpose, program)
    assert (view.row.state, view.row.activated_ms) == (KeyState.PRE_ACTIVE, None)
    shop.clock.advance(60)
    job = await move(shop, kind)
    assert JobSpec.FromString(job["spec"]).key_version == view.row.version == 2
    assert await states(shop, purpose, program) == {1: KeyState.DEACTIVATED, 2: KeyState.ACTIVE}
    key = shop.database.rows("key_version", purpose=purpose, program=program)[1]
    assert key["activated_ms"] == shop.clock.now_ms
    actions = [event.action for event in await shop.all_events() if event.subject.startswith("key/")]
    assert actions.count("vault/PromoteKey") == 1


@pytest.mark.parametrize("kind", [JobKind.REKEY, *BLOB_JOBS, JobKind.RETAG])
async def test_a_cancelled_job_leaves_all_in_order_and_the_next_one_ends_what_it_began(
    shop: Workshop, kind: JobKind
) -> None:
    good, _ = await everything(shop)
    purpose, program = _moves(kind)
    order = RotationOrder(kind, program, rest_ms=50)
    created = await shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)
    job_id = created.job.row.job_id
    await shop.work(lambda: shop.database.rows("job", job_id=job_id)[0]["done_count"] > 0)
    await shop.rotation.cancel(shop.call(request_id=uuid4()), program, job_id)
    (job,) = shop.database.rows("job", job_id=job_id)
    assert 0 < job["done_count"] <= job["total_count"]
    assert {judgement.detail for judgement in await shop.restarted().judge(*good)} == {Detail.GOOD}
    good += [issued.code.expose() for issued in (await shop.issue(3)).codes]
    await move(shop, kind)
    newest = max(await states(shop, purpose, program))
    for version in range(1, newest):
        assert not any((await counts(shop, purpose, version, program)).values())
    assert newest == (2 if kind == JobKind.REKEY else 3)
    assert {judgement.detail for judgement in await shop.judge(*good[:-3])} == {Detail.GOOD}
    await check_invariants(shop)


async def test_a_job_waits_for_no_other_but_refuses_to_run_beside_a_rival(shop: Workshop) -> None:
    await everything(shop)
    for first, second, together in (
        (JobKind.REKEY, JobKind.REWRAP, False),
        (JobKind.REENCRYPT, JobKind.REKEY, False),
        (JobKind.REWRAP, JobKind.REENCRYPT, False),
        (JobKind.REKEY, JobKind.REKEY, False),
        (JobKind.RETAG, JobKind.RETAG, False),
        (JobKind.REKEY, JobKind.RETAG, True),
    ):
        order = RotationOrder(first, _moves(first)[1])
        created = await shop.rotation.create(shop.call(request_id=uuid4()), order, validate_only=False)
        other = RotationOrder(second, _moves(second)[1])
        if together:
            await shop.rotation.create(shop.call(request_id=uuid4()), other, validate_only=False)
        else:
            with pytest.raises(FailedPrecondition) as caught:
                await shop.rotation.create(shop.call(request_id=uuid4()), other, validate_only=False)
            assert caught.value.reason == "JOB_RUNNING"
            await shop.rotation.cancel(shop.call(request_id=uuid4()), order.program, created.job.row.job_id)
    await shop.work_all()
    assert {job["state"] for job in shop.database.rows("job")} == {JobState.DONE, JobState.CANCELLED}


def _spoil(shop: Workshop, table: str, column: str, row: dict[str, Any]) -> None:
    value = row[column]
    shop.database.put(table, row["rowid"], **{column: value[:-1] + bytes((value[-1] ^ 1,))})


@pytest.mark.parametrize("kind", BLOB_JOBS)
@pytest.mark.parametrize("table", ["card", "code", "batch"])
async def test_a_data_key_that_does_not_open_is_counted_and_left(shop: Workshop, kind: JobKind, table: str) -> None:
    await everything(shop)
    (blob,) = (blob for blob in BLOBS if blob.shape.table == table)
    row = next(row for row in shop.database.rows(table, program="netcash") if row[blob.wrapped])
    _spoil(shop, table, blob.wrapped, row)
    (before,) = shop.database.rows(table, rowid=row["rowid"])
    job = await move(shop, kind)
    assert (job["error_count"], job["last_error"]) == (1, "SEALED")
    assert shop.database.rows(table, rowid=row["rowid"]) == [before]
    assert await counts(shop, KeyPurpose.WRAPPING, 1) == {**dict.fromkeys(BLOB_TABLES, 0), table: 1}


async def test_forged_rows_get_no_tag_that_would_make_them_good(
    shop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    await everything(shop)
    forged = {}
    changes: dict[str, dict[str, object]] = {
        "card": {"usage": 3},
        "serial": {"generation": 9},
        "recipient": {"display_name": "else"},
    }
    for table, change in changes.items():
        row = shop.database.rows(table)[0]
        shop.database.put(table, row["rowid"], **change)
        forged[table] = shop.database.rows(table, rowid=row["rowid"])
    job = await move(shop, JobKind.RETAG)
    assert (job["error_count"], job["last_error"]) == (3, "ROW_TAG")
    for table, rows in forged.items():
        assert shop.database.rows(table, rowid=rows[0]["rowid"]) == rows
    named = await counts(shop, KeyPurpose.ROW_TAG, 1, "")
    assert {table: count for table, count in named.items() if count} == dict.fromkeys(changes, 1)
    problems = [vars(record)["cardvault_fields"]["problem"] for record in caplog.records if record.msg == "row_refused"]
    assert any(forged["card"][0]["card_id"].hex() in problem for problem in problems)
    with pytest.raises(IntegrityFailure):
        await shop.key_versions._recorder.store.read(
            lambda tx: shop.recorder.scope(tx).snapshot.tagger.verify(SHAPES["card"], _card(forged["card"][0]))
        )


def _card(row: dict[str, Any]) -> Any:
    return SHAPES["card"].row(*(row[name] for name in SHAPES["card"].columns))


@pytest.mark.parametrize("change", [{"serial": "A00000000000X"}, {"sealed_code": bytes(60)}])
async def test_a_code_that_fails_its_check_keeps_its_only_row(shop: Workshop, change: dict[str, object]) -> None:
    good, _ = await everything(shop)
    snapshot = await shop.store.read(shop.recorder.catalogue.at)
    (digester,) = snapshot.keyring.digesters("netcash")
    (row,) = shop.database.rows("code", digest=digester.digest(good[7]))
    shop.database.put("code", row["rowid"], **change)
    before = shop.database.rows("code", rowid=row["rowid"])
    job = await move(shop, JobKind.REKEY)
    assert job["error_count"] == 1
    assert shop.database.rows("code", rowid=row["rowid"]) == before
    assert await counts(shop, KeyPurpose.INDEX, 1) == {"code": 1}
    details = [judgement.detail for judgement in await shop.judge(*good)]
    assert sorted({*details}) == [Detail.GOOD, Detail.UNKNOWN]
    assert details.count(Detail.UNKNOWN) == 1


async def test_a_row_that_changes_while_it_is_tagged_anew_is_tagged_in_the_end(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, _ = await everything(shop)
    cards = [row["card_id"] for row in shop.database.rows("card", program="netcash")][:3]
    table = next(n for n, tray in enumerate(Retag.trays) if tray.shape.table == "card")
    tagged: Callable[..., Any] = Retag.move
    touched: list[bytes] = []

    def racing(self: Retag, snapshot: Any, at: int, rows: Any) -> Any:
        moved = tagged(self, snapshot, at, rows)
        for row in rows if at == table else []:
            if row.card_id in cards and row.card_id not in touched:
                touched.append(row.card_id)  # somebody else has changed it, under the tag key of its time
                after = snapshot.tagger.tagged(SHAPES["card"], row._replace(reference="raced"))
                (there,) = shop.database.rows("card", card_id=row.card_id)
                shop.database.put("card", there["rowid"], reference="raced", tag=after.tag)
        return moved

    monkeypatch.setattr(Retag, "move", racing)
    await move(shop, JobKind.RETAG)
    assert sorted(touched) == sorted(cards)
    for card_id in cards:
        (row,) = shop.database.rows("card", card_id=card_id)
        assert row["reference"] == "raced"
    assert not any((await counts(shop, KeyPurpose.ROW_TAG, 1, "")).values())
    assert {judgement.detail for judgement in await shop.restarted().judge(*good)} == {Detail.GOOD}


async def test_wrappings_are_counted_and_a_rolled_key_does_not_disturb_the_proof(shop: Workshop) -> None:
    await everything(shop)
    small = shop.restarted(bound=40)
    await move(small, JobKind.REWRAP)
    used = {row["version"]: row["reserved"] for row in shop.database.rows("key_use", program="netcash")}
    newest = max(used)
    assert newest > 2
    assert sum(used[version] for version in used if version > 1) >= 60
    assert all(used[version] <= 40 for version in used if version > 1)
    assert not any((await counts(shop, KeyPurpose.WRAPPING, 1)).values())
    assert await plaintexts(shop)


def test_every_column_that_names_a_key_of_a_moving_purpose_is_gone_through() -> None:
    from vault.jobs.reencrypt import Reencrypt  # noqa: PLC0415
    from vault.jobs.rewrap import Rewrap  # noqa: PLC0415

    for mover in (Rewrap, Reencrypt, Retag):
        gone = {(tray.shape.table, column) for tray in mover.trays for column in tray.columns}
        assert gone >= {(name.shape.table, name.column) for name in NAMES if name.purpose == mover.purpose}
    sealed = {(tray.shape.table, column) for tray in Reencrypt.trays for column in tray.columns}
    assert sealed == {(blob.shape.table, column) for blob in BLOBS for column in blob.columns}


def _moves(kind: JobKind) -> tuple[KeyPurpose, str]:
    purposes = {JobKind.REKEY: KeyPurpose.INDEX, JobKind.RETAG: KeyPurpose.ROW_TAG}
    return purposes.get(kind, KeyPurpose.WRAPPING), "" if kind == JobKind.RETAG else "netcash"
