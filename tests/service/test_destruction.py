"""Key versions destroyed: only what nothing names, with the root key that wrapped them, and with a statement."""

import asyncio
import contextlib
import itertools
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.contracts.faults import FaultyStore, Moment
from tests.jobs.keymoves import everything, move
from tests.workshop import Workshop, parts_over, workshop
from vault.crypto.keyring import key_context
from vault.crypto.statement import verify_statement
from vault.custody.file import FileCustody
from vault.errors import FailedPrecondition, IntegrityFailure, NotFound, Unavailable
from vault.model.states import Detail, JobKind, KeyPurpose, KeyState
from vault.service.keys import root_version_of
from vault.service.rotation.destruction import Destroyed
from vault.stores.protocol import Store

MOVES = {JobKind.REKEY: KeyPurpose.INDEX, JobKind.REWRAP: KeyPurpose.WRAPPING, JobKind.RETAG: KeyPurpose.ROW_TAG}


async def destroy(
    shop: Workshop, purpose: KeyPurpose, version: int = 1, program: str = "netcash", **options: Any
) -> Destroyed:
    call = options.pop("call", None) or shop.call("DestroyKeyVersion", request_id=uuid4())
    return await shop.destruction.destroy(
        call, purpose, program, version, validate_only=options.pop("validate_only", False)
    )


async def claims_of(shop: Workshop, statement: str) -> dict[str, Any]:
    rows = await shop.public_keys.all(shop.call())
    keys = {f"statement-{row.version}": row.public_key or b"" for row in rows if row.purpose == KeyPurpose.STATEMENT}
    return verify_statement(statement, keys, "destruction")


@pytest.mark.parametrize("kind", MOVES)
async def test_a_version_that_nothing_names_is_destroyed_with_the_root_key_that_wrapped_it(
    shop: Workshop, kind: JobKind
) -> None:
    good, _ = await everything(shop)
    purpose, program = MOVES[kind], "" if kind == JobKind.RETAG else "netcash"
    other = shop.restarted()
    await other.judge(*good)
    await move(shop, kind)
    before = {row["version"]: row for row in shop.database.rows("key_version", purpose=purpose, program=program)}
    shop.clock.advance(1.5)
    done = await destroy(shop, purpose, 1, program)
    (row,) = shop.database.rows("key_version", purpose=purpose, program=program, version=1)
    assert (row["state"], row["wrapped_key"]) == (KeyState.DESTROYED, b"")
    assert row["deactivated_ms"] == before[1]["deactivated_ms"]
    kept = shop.database.rows("key_version")
    alive = [key for key in kept if key["state"] != KeyState.DESTROYED]
    assert {key["wrapped_key"][:5] for key in alive} == {b"\x01\0\0\0\x02"}
    assert done.rewrapped == len(alive)
    claims = await claims_of(shop, done.statement)
    vault = (await shop.store.read(shop.recorder.catalogue.at)).vault_id
    assert claims == {
        "vault": vault.hex(),
        "purpose": purpose.name,
        "program": program,
        "version": 1,
        "rows_naming": dict(done.rows_naming),
        "rewrapped_keys": len(alive),
        "root_version": 2,
        "destroyed_root_versions": [1],
        "custody": [shop.parts.custody.destroy_version(1)],
        "destroy_time": "2023-11-14T22:13:21.500Z",
    }
    assert set(done.rows_naming.values()) == {0}
    assert set(done.rows_naming) >= {JobKind.REWRAP: {"card", "batch", "package"}, JobKind.RETAG: {"job"}}.get(
        kind, {"code"}
    )
    assert shop.parts.custody.versions == {2}
    with pytest.raises(IntegrityFailure):
        shop.parts.custody.unwrap(before[1]["wrapped_key"], key_context(vault, purpose, program, 1))
    for process in (shop, other, shop.restarted()):
        assert {judgement.detail for judgement in await process.judge(*good)} == {Detail.GOOD}
        assert (await process.issue(2)).codes
    listed = await shop.key_versions.list(shop.call(), program, count=True)
    (gone,) = (view for view in listed.keys if view.row[:3] == (purpose, program, 1))
    assert (gone.root_version, gone.row_count, listed.root_version) == (0, 0, 2)


async def test_a_version_that_rows_name_is_not_destroyed(shop: Workshop) -> None:
    await everything(shop)
    await move(shop, JobKind.REWRAP)
    (row,) = shop.database.rows("code", generation=2, program="netcash")[:1]
    old = row["wrapped_code_key"]
    shop.database.put("code", row["rowid"], wrapped_code_key=old[:1] + b"\0\0\0\x01" + old[5:])
    with pytest.raises(FailedPrecondition) as caught:
        await destroy(shop, KeyPurpose.WRAPPING)
    assert (caught.value.reason, caught.value.metadata) == ("KEY_IN_USE", {"code": "1"})
    dry = await destroy(shop, KeyPurpose.WRAPPING, validate_only=True)
    assert dry.rows_naming["code"] == 1
    assert sum(dry.rows_naming.values()) == 1
    assert (dry.statement, dry.rewrapped) == ("", shop.database.count("key_version") - 1)
    (key,) = shop.database.rows("key_version", purpose=KeyPurpose.WRAPPING, program="netcash", version=1)
    assert key["state"] == KeyState.DEACTIVATED
    assert shop.parts.custody.versions == {1}


async def test_what_is_active_gone_or_not_there_is_refused(shop: Workshop) -> None:
    await shop.program()
    with pytest.raises(FailedPrecondition) as caught:
        await destroy(shop, KeyPurpose.INDEX)
    assert caught.value.reason == "KEY_ACTIVE"
    with pytest.raises(NotFound):
        await destroy(shop, KeyPurpose.INDEX, 2)
    await shop.key_versions.create(shop.call(), KeyPurpose.INDEX, "netcash")
    await destroy(shop, KeyPurpose.INDEX, 2)
    with pytest.raises(FailedPrecondition) as caught:
        await destroy(shop, KeyPurpose.INDEX, 2)
    assert caught.value.reason == "KEY_DESTROYED"
    assert shop.parts.custody.versions == {2}
    assert (await shop.key_versions.create(shop.call(), KeyPurpose.INDEX, "netcash")).row.version == 3


async def test_a_retry_states_the_same_and_destroys_nothing_more(shop: Workshop) -> None:
    await shop.program()
    for purpose in (KeyPurpose.RECEIPT, KeyPurpose.SEALING):
        await shop.key_versions.create(shop.call(), purpose, "")
    call = shop.call("DestroyKeyVersion", request_id=uuid4(), body=b"1")
    first = await destroy(shop, KeyPurpose.RECEIPT, 1, "", call=call)
    await destroy(shop, KeyPurpose.SEALING, 1, "")
    assert shop.parts.custody.versions == {3}
    shop.clock.advance(100)
    for process in (shop, shop.restarted()):
        assert await destroy(process, KeyPurpose.RECEIPT, 1, "", call=call) == first
    assert shop.parts.custody.versions == {3}
    destroyed = [event.subject for event in await shop.all_events() if event.action == "vault/DestroyRootKey"]
    assert destroyed == ["root/1", "root/2"]


async def test_a_destroyed_pair_still_verifies_what_it_signed(shop: Workshop) -> None:
    await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")
    done = await destroy(shop, KeyPurpose.SEALING, 1, "")
    assert (await claims_of(shop, done.statement))["purpose"] == "SEALING"


async def test_every_process_that_holds_custody_open_goes_on(shop: Workshop, tmp_path: Path) -> None:
    """Processes share nothing but the root key's file and the store."""
    await shop.program()
    good = [card.code.expose() for card in (await shop.issue(5)).codes]
    processes = []
    for _ in range(3):
        parts = parts_over(shop.store, FileCustody(tmp_path / "root.key"), shop.clock)
        processes.append(Workshop(parts, shop.clock, shop.database))
    for round_number in range(3):
        for process in processes:
            assert {judgement.detail for judgement in await process.judge(*good)} == {Detail.INACTIVE}
        await processes[0].key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")
        await processes[1].destruction.destroy(
            shop.call(), KeyPurpose.RECEIPT, "", round_number + 1, validate_only=False
        )
        name = f"program-{round_number}"
        await processes[2].program(name)
        for process in (*processes, shop.restarted()):
            assert (await process.issue(1, name)).codes
            assert {judgement.detail for judgement in await process.judge(*good)} == {Detail.INACTIVE}
    assert FileCustody(tmp_path / "root.key").versions == {4}
    assert {root_version_of(row) for row in (await shop.store.read(shop.recorder.catalogue.at)).key_rows} == {0, 4}


async def test_programs_made_while_the_root_key_turns_keep_their_keys(shop: Workshop, tmp_path: Path) -> None:
    parts = parts_over(shop.store, FileCustody(tmp_path / "root.key"), shop.clock)
    other = Workshop(parts, shop.clock, shop.database)
    for purpose in (KeyPurpose.RECEIPT, KeyPurpose.SEALING, KeyPurpose.PAGE_TOKEN):
        await shop.key_versions.create(shop.call(), purpose, "")

    async def make() -> None:
        for number in range(12):
            await other.program(f"program-{number}")
            await asyncio.sleep(0)

    making = asyncio.create_task(make())
    for purpose in (KeyPurpose.RECEIPT, KeyPurpose.SEALING, KeyPurpose.PAGE_TOKEN):
        await destroy(shop, purpose, 1, "")
    await making
    fresh = Workshop(parts_over(shop.store, FileCustody(tmp_path / "root.key"), shop.clock), shop.clock, shop.database)
    for number in range(12):
        assert (await fresh.issue(1, f"program-{number}")).codes


class _Killed(BaseException):
    pass


@pytest.mark.parametrize("when", ["before custody made a root", "after custody made a root", "before custody destroys"])
async def test_killed_in_between_it_is_completed_later(
    shop: Workshop, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.program()
    good = [card.code.expose() for card in (await shop.issue(2)).codes]
    await shop.key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")
    call = shop.call("DestroyKeyVersion", request_id=uuid4(), body=b"1")
    create = FileCustody.create_version

    def killed(custody: FileCustody, *version: int) -> Any:
        if when == "after custody made a root":
            create(custody)
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(FileCustody, "destroy_version" if "destroys" in when else "create_version", killed)
        with pytest.raises(_Killed):
            await destroy(shop, KeyPurpose.RECEIPT, 1, "", call=call)
    restarted = shop.restarted()
    committed = "destroys" in when
    assert await restarted.destruction.finish() == ([1] if committed else [])
    (row,) = shop.database.rows("key_version", purpose=KeyPurpose.RECEIPT, version=1)
    assert row["state"] == (KeyState.DESTROYED if committed else KeyState.DEACTIVATED)
    done = await destroy(restarted, KeyPurpose.RECEIPT, 1, "", call=call)
    claims = await claims_of(shop, done.statement)
    assert (claims["root_version"], claims["destroyed_root_versions"]) == (2, [1])
    assert restarted.parts.custody.versions == {2}
    assert {judgement.detail for judgement in await shop.restarted().judge(*good)} == {Detail.INACTIVE}


async def test_a_vault_that_destroyed_nothing_keeps_every_root_key_of_its_file(shop: Workshop) -> None:
    await shop.program()
    shop.parts.custody.create_version()
    await shop.program("other")
    assert await shop.destruction.finish() == []
    assert shop.parts.custody.versions == {1, 2}


@pytest.mark.parametrize("moment", list(Moment))
async def test_no_key_that_must_live_is_lost_whichever_call_to_the_store_fails(tmp_path: Path, moment: Moment) -> None:
    begun = tmp_path / "begun"
    begun.mkdir()
    async with workshop(begun) as shop:
        await shop.program()
        good = [card.code.expose() for card in (await shop.issue(2)).codes]
        await shop.key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")
    for fail_at in itertools.count(1):
        folder = tmp_path / str(fail_at)
        shutil.copytree(begun, folder)
        stores: list[FaultyStore] = []

        def wrap(store: Store, stores: list[FaultyStore] = stores, fail_at: int = fail_at) -> Store:
            stores.append(FaultyStore(store, fail_at, moment))
            return stores[0]

        async with workshop(folder, wrap=wrap) as shop:
            call = shop.call("DestroyKeyVersion", request_id=uuid4(), body=b"1")
            with contextlib.suppress(Unavailable):
                await destroy(shop, KeyPurpose.RECEIPT, 1, "", call=call)
            reached, stores[0].fail_at = stores[0].failed, None
            done = await destroy(shop.restarted(), KeyPurpose.RECEIPT, 1, "", call=call)
            claims = await claims_of(shop, done.statement)
            assert claims["destroyed_root_versions"] == [1]
            assert FileCustody(folder / "root.key").versions == {claims["root_version"]}
            fresh = Workshop(
                parts_over(shop.store, FileCustody(folder / "root.key"), shop.clock), shop.clock, shop.database
            )
            assert {judgement.detail for judgement in await fresh.judge(*good)} == {Detail.INACTIVE}
        shutil.rmtree(folder)
        if not reached:
            break
    assert fail_at > 25
