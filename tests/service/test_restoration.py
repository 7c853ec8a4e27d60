"""A restored vault: verified whole, every program stopped, no code good until its program is started."""

from pathlib import Path

import pytest

from tests.service.invariants import check_invariants
from tests.service.test_content import content, unseen
from tests.workshop import Workshop, workshop
from vault.errors import FailedPrecondition, IntegrityFailure
from vault.model.rows import VaultRow
from vault.model.states import CardState, Detail, ProgramState
from vault.service.issuing.issue import CardPlan
from vault.service.upkeep.restoration import admit_restored, check_not_a_vault


@pytest.fixture
async def code(shop: Workshop) -> bytes:
    """Make three programs, one of them stopped, one closed; and a good code in the third."""
    for name in ("netcash", "other", "past"):
        await shop.program(name)
    await shop.programs.turn(shop.call(), "other", "stop", note="", etag="")
    await shop.programs.turn(shop.call(), "past", "close", note="", etag="")
    (made,) = (await shop.issue(plan=CardPlan(state=CardState.ACTIVE))).codes
    return made.code.expose()


async def test_every_program_is_stopped_until_it_is_started(shop: Workshop, code: bytes) -> None:
    before = await content(shop)
    restored = await admit_restored(shop.restarted().recorder, None, before.sha256, unseen)
    assert restored[:3] == (before, ["netcash"], ["other"])
    assert restored.forged.count == 0
    (judgement,) = await shop.judge(code)
    assert judgement.detail == Detail.PROGRAM_STOPPED
    views = {view.row.program: view.row for view in await shop.programs.page(shop.call(), frozenset("*"), "", 9)}
    assert {name: (row.state, row.revision) for name, row in views.items()} == {
        "netcash": (ProgramState.STOPPED, 2),
        "other": (ProgramState.STOPPED, 2),
        "past": (ProgramState.CLOSED, 2),
    }
    await check_invariants(shop)
    await content(shop, verified=True)
    await shop.programs.turn(shop.call(), "netcash", "start", note="", etag="")
    (judgement,) = await shop.judge(code)
    assert judgement.detail == Detail.GOOD


async def test_a_restore_leaves_events_with_the_digest_and_each_program(shop: Workshop, code: bytes) -> None:
    before = await content(shop)
    await admit_restored(shop.restarted().recorder, None, None, unseen)
    events = [event for event in await shop.all_events() if event.action == "vault/Restore"]
    assert [(event.program, event.file_sha256, event.note) for event in events] == [
        ("", before.sha256, ""),
        ("netcash", b"", "stopped"),
    ]


async def test_another_digest_than_the_wanted_one_leaves_everything_as_it_was(shop: Workshop, code: bytes) -> None:
    before = await content(shop)
    with pytest.raises(IntegrityFailure) as caught:
        await admit_restored(shop.restarted().recorder, None, bytes(32), unseen)
    assert caught.value.reason == "CONTENT_DIGEST"
    assert await content(shop) == before


async def test_a_forged_row_leaves_everything_as_it_was(shop: Workshop, code: bytes) -> None:
    (card,) = shop.database.rows("card")
    shop.database.put("card", card["rowid"], usage=2)
    before = await content(shop)
    with pytest.raises(IntegrityFailure, match=card["card_id"].hex()):
        await admit_restored(shop.restarted().recorder, None, before.sha256, unseen)
    assert await content(shop) == before


async def test_forged_rows_are_restored_where_that_is_asked_for_and_stay_refused(shop: Workshop, code: bytes) -> None:
    await shop.issue(2, plan=CardPlan(state=CardState.ACTIVE))
    (_, *others), events = shop.database.rows("card"), shop.database.rows("audit_event")
    forged = next(row for row in shop.database.rows("card") if row["rowid"] not in {row["rowid"] for row in others})
    shop.database.put("card", forged["rowid"], usage=2)
    shop.database.put("audit_event", events[0]["rowid"], recorded_ms=1)
    before = await content(shop)
    with pytest.raises(IntegrityFailure, match="rows not as the vault wrote them: 2; ") as caught:
        await admit_restored(shop.restarted().recorder, None, before.sha256, unseen)
    assert caught.value.reason == "ROW_TAG"
    restored = await admit_restored(shop.restarted().recorder, None, before.sha256, unseen, accept_forged=True)
    assert restored.content == before
    assert restored.forged.count == len(restored.forged.first) == 2
    assert forged["card_id"].hex() in restored.forged.first[0]
    assert "event 1" in restored.forged.first[1]
    await shop.programs.turn(shop.call(), "netcash", "start", note="", etag="")
    (judgement,) = await shop.judge(code)
    assert judgement.detail not in {Detail.GOOD, Detail.PROGRAM_STOPPED}, "its card was changed behind the vault's back"


@pytest.mark.parametrize("table", ["program", "key_version"])
async def test_forged_programs_and_keys_are_never_accepted(shop: Workshop, code: bytes, table: str) -> None:
    row = shop.database.rows(table)[-1]
    shop.database.put(table, row["rowid"], created_ms=1)
    before = await content(shop)
    with pytest.raises(IntegrityFailure, match=f"table {table} "):
        await admit_restored(shop.restarted().recorder, None, None, unseen, accept_forged=True)
    assert await content(shop) == before


async def test_the_vaults_own_row_goes_in_last_and_with_everything_else(shop: Workshop, code: bytes) -> None:
    (row,) = shop.database.rows("vault")
    whole = await content(shop)
    shop.database.delete("vault", row["rowid"])
    assert await shop.store.read(check_not_a_vault)
    with pytest.raises(FailedPrecondition) as caught:
        await shop.restarted().programs.get(shop.call(), "netcash")
    assert caught.value.reason == "VAULT_NOT_INITIALISED"
    vault = VaultRow(row["vault_id"], row["created_ms"], row["tag"])
    with pytest.raises(IntegrityFailure):
        await admit_restored(shop.restarted().recorder, vault, bytes(32), unseen)
    assert shop.database.count("vault") == 0
    restored = await admit_restored(shop.restarted().recorder, vault, whole.sha256, unseen)
    assert restored.stopped == ["netcash"]
    assert shop.database.count("vault") == 1


async def test_a_store_that_holds_a_vault_is_no_place_for_another(shop: Workshop) -> None:
    with pytest.raises(FailedPrecondition) as caught:
        await shop.store.read(check_not_a_vault)
    assert caught.value.reason == "VAULT_IN_USE"


async def test_another_root_key_admits_nothing(tmp_path: Path) -> None:
    async with workshop(tmp_path) as shop:
        await shop.program()
    (tmp_path / "root.key").unlink()
    async with workshop(tmp_path) as shop:
        with pytest.raises(IntegrityFailure) as caught:
            await admit_restored(shop.recorder, None, None, unseen)
    assert caught.value.reason == "ROOT_KEY"
