"""What changes between the opening of a submission and its answer is obeyed, whoever changed it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.service.refusals import PURPOSES, compromise, counter_at
from tests.service.sealing import REDEEM, Edge, Shop
from tests.service.wrapped import InterruptedStore
from tests.workshop import Workshop, workshop
from vault.errors import FailedPrecondition, Unavailable
from vault.model.states import Detail, KeyPurpose
from vault.service.answering.validation import ATTEMPTS
from vault.stores.protocol import Store
from vault.v1.resources_pb2 import VERDICT_SUBMISSION_REFUSED


@pytest.fixture
async def interrupted(tmp_path: Path) -> AsyncIterator[tuple[Workshop, InterruptedStore]]:
    """Open a vault over a store that does something between a look and the answer."""
    stores: list[InterruptedStore] = []

    def wrap(store: Store) -> Store:
        stores.append(InterruptedStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=wrap) as shop:
        yield shop, stores[0]


async def test_a_stop_after_the_look_up_is_obeyed(interrupted: tuple[Workshop, InterruptedStore]) -> None:
    shop, store = interrupted
    counter = await counter_at(shop, "ValidateCode")
    sealed = await counter.seal()
    store.between = [lambda: shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")]
    told = await Shop(shop).ask(sealed)
    assert [judgement.detail for judgement in told.judgements] == [Detail.PROGRAM_STOPPED]
    assert shop.database.count("submission") == 1


async def test_sealing_that_is_required_meanwhile_refuses_what_is_in_clear(
    interrupted: tuple[Workshop, InterruptedStore],
) -> None:
    shop, store = interrupted
    counter = await counter_at(shop, "ValidateCode")
    store.between = [lambda: shop.programs.update(shop.call(), "netcash", {"seal_required": 1}, "")]
    with pytest.raises(FailedPrecondition) as refused:
        await shop.judge(counter.code)
    assert refused.value.reason == "SEAL_REQUIRED"


async def test_a_catalogue_that_changes_without_end_spends_nothing(
    interrupted: tuple[Workshop, InterruptedStore],
) -> None:
    shop, store = interrupted
    counter = await counter_at(shop, "ValidateCode")
    sealed = await counter.seal()
    store.between = [
        lambda verb=verb: shop.programs.turn(shop.call(), "netcash", verb, note="", etag="")  # type: ignore[misc]
        for verb in ["stop", "start"] * ATTEMPTS
    ]
    with pytest.raises(Unavailable) as refused:
        await Shop(shop).ask(sealed)
    assert refused.value.reason == "STALE"
    store.between = []
    assert not shop.database.count("submission")
    assert [j.detail for j in (await Shop(shop).ask(sealed)).judgements] == [Detail.GOOD]


@pytest.mark.parametrize("method", PURPOSES)
async def test_a_key_that_another_process_finds_compromised_opens_nothing_here(shop: Workshop, method: str) -> None:
    counter = await counter_at(shop, method)
    sealed = await counter.seal()
    await compromise(shop.restarted())
    answer = await counter.present(sealed)
    assert answer == await counter.present(sealed)
    assert bytes([8, VERDICT_SUBMISSION_REFUSED]) in answer
    events = [event for event in await shop.all_events() if event.action.endswith(f"/{method}")]
    assert [item.outcome for event in events for item in event.items] == ["SUBMISSION_KEY"] * 2


async def test_a_key_that_another_process_has_just_made_opens_here(shop: Workshop) -> None:
    counter = await counter_at(shop, "RedeemCode")
    other = shop.restarted()
    for _ in range(2):
        await other.key_versions.create(other.call(), KeyPurpose.SEALING, "")
    sealed = await Edge(other).seal(counter.code, purpose=REDEEM)
    redemption = await shop.redemptions.redeem(Shop(shop).call("RedeemCode"), "netcash", sealed)
    assert redemption.detail is Detail.GOOD
