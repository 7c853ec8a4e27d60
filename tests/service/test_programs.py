"""Programs and recipients."""

from uuid import uuid4

import pytest

from tests.workshop import SIXTEEN, Workshop
from vault.crypto.keypair import public_key
from vault.errors import AlreadyExists, Conflict, FailedPrecondition, InvalidInput, NotFound
from vault.model.states import KeyPurpose, KeyState, ProgramState
from vault.secret import Secret
from vault.service.programs import Settings

ANY = frozenset({"*"})


async def test_a_program_has_keys_of_its_own(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    rows = [row for row in shop.database.rows("key_version") if row["program"]]
    assert {(row["program"], row["purpose"]) for row in rows} == {
        (program, purpose) for program in ("netcash", "other") for purpose in (KeyPurpose.INDEX, KeyPurpose.WRAPPING)
    }
    assert {row["state"] for row in rows} == {KeyState.ACTIVE}
    assert len({row["wrapped_key"] for row in rows}) == 4


async def test_a_retried_creation_answers_the_program(shop: Workshop) -> None:
    call = shop.call(request_id=uuid4())
    views = [await shop.programs.create(call, "netcash", Settings()) for _ in range(2)]
    assert views[0] == views[1]
    with pytest.raises(AlreadyExists) as refused:
        await shop.programs.create(shop.call(request_id=uuid4()), "netcash", Settings())
    assert refused.value.reason == "PROGRAM_EXISTS"


async def test_a_program_that_was_not_created_leaves_nothing_behind(shop: Workshop) -> None:
    await shop.program()
    before = shop.database.dump()
    with pytest.raises(AlreadyExists):
        await shop.programs.create(shop.call(), "netcash", Settings())
    assert shop.database.dump() == before


async def test_an_impossible_format_is_refused(shop: Workshop) -> None:
    with pytest.raises(InvalidInput) as refused:
        await shop.programs.create(shop.call(), "netcash", Settings(code_format=SIXTEEN._replace(length=20)))
    assert refused.value.reason == "CODE_FORMAT"


async def test_settings_are_changed_under_an_etag(shop: Workshop) -> None:
    await shop.program()
    view = await shop.programs.update(shop.call(), "netcash", {"display_name": "New", "clear_delivery": 0}, "r1")
    assert (view.row.display_name, view.row.clear_delivery, view.row.revision) == ("New", 0, 2)
    with pytest.raises(Conflict):
        await shop.programs.update(shop.call(), "netcash", {"display_name": "Newer"}, "r1")
    with pytest.raises(InvalidInput) as refused:
        await shop.programs.update(shop.call(), "netcash", {"code_length": 8}, "")
    assert refused.value.reason == "NOT_UPDATABLE"


async def test_a_program_is_stopped_started_and_closed_for_good(shop: Workshop) -> None:
    await shop.program()
    for verb, state, revision in (
        ("start", ProgramState.ACTIVE, 1),
        ("stop", ProgramState.STOPPED, 2),
        ("stop", ProgramState.STOPPED, 2),
        ("start", ProgramState.ACTIVE, 3),
        ("close", ProgramState.CLOSED, 4),
        ("close", ProgramState.CLOSED, 4),
    ):
        view = await shop.programs.turn(shop.call(), "netcash", verb, note="because", etag="")
        assert (view.row.state, view.row.revision) == (state, revision)
    for verb in ("stop", "start"):
        with pytest.raises(FailedPrecondition) as refused:
            await shop.programs.turn(shop.call(), "netcash", verb, note="", etag="")
        assert refused.value.reason == "PROGRAM_CLOSED"
    with pytest.raises(FailedPrecondition):
        await shop.programs.update(shop.call(), "netcash", {"display_name": "New"}, "")
    assert (await shop.all_events())[-1].note == "because"


async def test_a_dry_turn_checks_and_changes_nothing(shop: Workshop) -> None:
    await shop.program()
    call = shop.call(request_id=uuid4())
    view = await shop.programs.turn(call, "netcash", "close", note="", etag="r1", validate_only=True)
    assert view.row.state == ProgramState.ACTIVE
    with pytest.raises(Conflict):
        await shop.programs.turn(call, "netcash", "close", note="", etag="r9", validate_only=True)
    view = await shop.programs.turn(call, "netcash", "close", note="", etag="r1")
    assert view.row.state == ProgramState.CLOSED


async def test_programs_are_listed_by_id_and_only_those_allowed(shop: Workshop) -> None:
    for name in ("ccc", "aaa", "bbb"):
        await shop.program(name)
    views = await shop.programs.page(shop.call(), ANY, "", 2)
    assert [view.row.program for view in views] == ["aaa", "bbb"]
    views = await shop.programs.page(shop.call(), ANY, "bbb", 2)
    assert [view.row.program for view in views] == ["ccc"]
    views = await shop.programs.page(shop.call(), frozenset({"bbb", "zzz"}), "", 2)
    assert [view.row.program for view in views] == ["bbb"]


async def test_a_program_that_is_not_there_is_not_found(shop: Workshop) -> None:
    for work in (
        shop.programs.get(shop.call(), "nowhere"),
        shop.programs.update(shop.call(), "nowhere", {}, ""),
        shop.programs.turn(shop.call(), "nowhere", "stop", note="", etag=""),
        shop.recipients.page(shop.call(), "nowhere", "", 10),
        shop.batch(1, "nowhere"),
        shop.issue(program="nowhere"),
    ):
        with pytest.raises(NotFound) as refused:
            await work
        assert refused.value.reason == "PROGRAM_NOT_FOUND"


async def test_recipients_are_registered_once_and_listed_by_id(shop: Workshop) -> None:
    await shop.program()
    public = public_key(KeyPurpose.SEALING, Secret(bytes(range(1, 33))))
    assert public is not None
    call = shop.call(request_id=uuid4())
    rows = [await shop.recipients.create(call, "netcash", "another", "Another", public) for _ in range(2)]
    assert rows[0] == rows[1]
    with pytest.raises(AlreadyExists):
        await shop.recipients.create(shop.call(), "netcash", "another", "", public)
    with pytest.raises(InvalidInput):
        await shop.recipients.create(shop.call(), "netcash", "weak", "", bytes(32))
    found = await shop.recipients.page(shop.call(), "netcash", "", 2)
    assert [row.recipient for row in found] == ["another", "packer"]
    found = await shop.recipients.page(shop.call(), "netcash", "packer", 2)
    assert [row.recipient for row in found] == ["printer"]


async def test_public_keys_are_listed_and_private_ones_are_not(shop: Workshop) -> None:
    await shop.program()
    rows = await shop.public_keys.all(shop.call())
    expected = {KeyPurpose.RECEIPT, KeyPurpose.STATEMENT, KeyPurpose.CHECKPOINT, KeyPurpose.SEALING}
    assert {KeyPurpose(row.purpose) for row in rows} == expected
    assert all(len(row.public_key or b"") == 32 for row in rows)
