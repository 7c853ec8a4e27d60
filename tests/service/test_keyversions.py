from uuid import UUID, uuid4

import pytest

from tests.workshop import Workshop
from vault.errors import AlreadyExists, FailedPrecondition, NotFound
from vault.model.states import Detail, KeyPurpose, KeyState
from vault.service.keys import PROGRAM_PURPOSES, VAULT_PURPOSES
from vault.service.rotation.promotion import ANNOUNCED, STAGED


def program_of(purpose: KeyPurpose) -> str:
    return "netcash" if purpose in PROGRAM_PURPOSES else ""


async def test_every_key_of_the_vault_is_listed_or_those_of_one_program(shop: Workshop) -> None:
    await shop.program()
    await shop.program("other")
    listed = await shop.key_versions.list(shop.call(), "", count=False)
    names = [view.row[:3] for view in listed.keys]
    assert names == sorted(names)
    expected = {(purpose, "", 1) for purpose in VAULT_PURPOSES}
    expected |= {(purpose, name, 1) for purpose in PROGRAM_PURPOSES for name in ("netcash", "other")}
    assert set(names) == expected
    assert listed.root_version == 1
    assert {(view.root_version, view.row_count) for view in listed.keys} == {(1, None)}
    ours = await shop.key_versions.list(shop.call(), "other", count=False)
    assert {view.row.program for view in ours.keys} == {"other"}
    with pytest.raises(NotFound):
        await shop.key_versions.list(shop.call(), "nobody", count=False)


async def test_rows_that_name_each_version_are_counted_when_asked(shop: Workshop) -> None:
    await shop.program()
    await shop.issue(3)
    listed = await shop.key_versions.list(shop.call(), "", count=True)
    counted = {KeyPurpose(view.row.purpose): view.row_count for view in listed.keys}
    assert counted[KeyPurpose.INDEX] == counted[KeyPurpose.WRAPPING] == 3
    tables = ("vault", "program", "recipient", "key_version", "key_use", "card", "code", "serial", "tally", "request")
    assert counted[KeyPurpose.ROW_TAG] == sum(shop.database.count(table) for table in tables)
    assert counted[KeyPurpose.REQUEST] == 1
    assert counted[KeyPurpose.AUDIT_CHAIN] == shop.database.count("audit_event") - 1
    assert counted[KeyPurpose.STATEMENT] == 0


@pytest.mark.parametrize("purpose", KeyPurpose)
async def test_a_new_version_waits_where_rows_name_the_key_and_else_takes_over(
    shop: Workshop, purpose: KeyPurpose
) -> None:
    await shop.program()
    (issued,) = (await shop.issue(1)).codes
    other = shop.restarted()
    await other.judge(issued.code.expose())
    shop.clock.advance(5)
    view = await shop.key_versions.create(shop.call(), purpose, program_of(purpose))
    rows = shop.database.rows("key_version", purpose=purpose, program=program_of(purpose))
    if purpose in STAGED:
        assert [row["state"] for row in rows] == [KeyState.ACTIVE, KeyState.PRE_ACTIVE]
        assert rows[1]["activated_ms"] is None
        with pytest.raises(FailedPrecondition) as caught:
            await shop.key_versions.create(shop.call(), purpose, program_of(purpose))
        assert caught.value.reason == "KEY_PENDING"
    else:
        after = [KeyState.PRE_ACTIVE] if purpose in ANNOUNCED else []
        assert [row["state"] for row in rows] == [KeyState.DEACTIVATED, KeyState.ACTIVE, *after]
        assert rows[0]["deactivated_ms"] == rows[1]["activated_ms"] == shop.clock.now_ms
    assert (view.row.version, view.row.created_ms, view.root_version) == (2, shop.clock.now_ms, 1)
    for vault in (shop, other, shop.restarted()):
        (judgement,) = await vault.judge(issued.code.expose())
        assert judgement.detail == Detail.INACTIVE
        await vault.issue(1)
    created = [event.subject for event in await shop.all_events() if event.action == "vault/CreateKey"]
    announced = [f"key/{purpose.name.lower()}/3"] if purpose in ANNOUNCED else []
    assert created == [f"key/{purpose.name.lower()}/2", *announced]


async def test_a_retry_gets_the_same_version_and_another_request_the_next(shop: Workshop) -> None:
    call = shop.call("CreateKeyVersion", request_id=uuid4(), body=b"1")
    first = await shop.key_versions.create(call, KeyPurpose.RECEIPT, "")
    again = await shop.key_versions.create(call, KeyPurpose.RECEIPT, "")
    assert again == first
    assert len(shop.database.rows("key_version", purpose=KeyPurpose.RECEIPT)) == 3
    with pytest.raises(AlreadyExists):
        await shop.key_versions.create(call._replace(body=b"2"), KeyPurpose.SEALING, "")
    assert (await shop.key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")).row.version == 3


async def test_of_a_key_that_others_use_previous_current_and_next_are_published_with_their_times(
    shop: Workshop,
) -> None:
    begin = shop.clock.now_ms
    for _ in range(2):
        shop.clock.advance(60)
        await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")
    now = shop.clock.now_ms
    published = await shop.public_keys.publish(shop.call())
    rows = [row for row in published.rows if row.purpose == KeyPurpose.SEALING]
    assert [(row.version, row.state, row.activated_ms, row.deactivated_ms) for row in rows] == [
        (1, KeyState.DEACTIVATED, begin, begin + 60_000),
        (2, KeyState.DEACTIVATED, begin + 60_000, now),
        (3, KeyState.ACTIVE, now, None),
        (4, KeyState.PRE_ACTIVE, None, None),
    ]
    assert published.now_ms == now
    (vault,) = shop.database.rows("vault")
    assert published.issuer == f"urn:uuid:{UUID(bytes=vault['vault_id'])}"


@pytest.mark.parametrize(
    ("purpose", "program", "reason"),
    [(KeyPurpose.INDEX, "", "PROGRAM_KEY"), (KeyPurpose.ROW_TAG, "netcash", "VAULT_KEY")],
)
async def test_a_key_of_another_owner_is_refused(
    shop: Workshop, purpose: KeyPurpose, program: str, reason: str
) -> None:
    await shop.program()
    with pytest.raises(FailedPrecondition) as caught:
        await shop.key_versions.create(shop.call(), purpose, program)
    assert caught.value.reason == reason


async def test_no_key_is_made_for_a_program_that_is_closed_or_is_not_there(shop: Workshop) -> None:
    await shop.program()
    await shop.programs.turn(shop.call(), "netcash", "close", note="", etag="")
    for program, wanted in (("netcash", FailedPrecondition), ("nobody", NotFound)):
        with pytest.raises(wanted):
            await shop.key_versions.create(shop.call(), KeyPurpose.INDEX, program)


async def test_a_key_that_waits_is_used_when_the_one_before_reaches_its_bound(shop: Workshop) -> None:
    await shop.program()
    await shop.key_versions.create(shop.call(), KeyPurpose.WRAPPING, "netcash")
    for expected in ((KeyState.ACTIVE, KeyState.PRE_ACTIVE), (KeyState.DEACTIVATED, KeyState.ACTIVE)):
        await shop.restarted(bound=20).parts.budget.reserve("netcash", 15)
        rows = shop.database.rows("key_version", purpose=KeyPurpose.WRAPPING, program="netcash")
        assert tuple(row["state"] for row in rows) == expected
    assert (await shop.restarted().issue(3)).codes
