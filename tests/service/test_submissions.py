"""Sealed submissions: which are taken, and that those which are not look alike."""

from pathlib import Path

import pytest

from tests.service.naming import NamingStore
from tests.service.refusals import CASES, PROGRAMS, PURPOSES, WITH_DETAIL, Counter, counter_at
from tests.service.sealing import SHOP, VALIDATE, Shop
from tests.workshop import Workshop, workshop
from vault.metrics.table import SUBMISSION_CAUSES
from vault.model.states import KeyPurpose, KeyState
from vault.policy.access import Grants
from vault.service.answering.inquiry import Inquiry
from vault.service.answering.nonces import open_single
from vault.service.answering.submissions import AGE_MS, Cause, Wanted
from vault.v1 import validation_service_pb2 as pb
from vault.v1.resources_pb2 import DETAIL_SUBMISSION, VERDICT_GOOD, VERDICT_SUBMISSION_REFUSED

REFUSED = {
    "ValidateCode": pb.ValidateCodeResponse(result=pb.ValidatedCode(verdict=VERDICT_SUBMISSION_REFUSED)),
    "RedeemCode": pb.RedeemCodeResponse(verdict=VERDICT_SUBMISSION_REFUSED),
    "ExchangeCode": pb.ExchangeCodeResponse(verdict=VERDICT_SUBMISSION_REFUSED),
}


@pytest.mark.parametrize("method", PURPOSES)
async def test_every_refusal_is_the_same_bytes_and_the_same_work(tmp_path: Path, method: str) -> None:
    work: dict[str, list[tuple[str, int]]] = {}
    for number, (name, (cause, make)) in enumerate(CASES.items()):
        stores: list[NamingStore] = []

        def naming(store: object, stores: list[NamingStore] = stores) -> NamingStore:
            stores.append(NamingStore(store))
            return stores[0]

        folder = tmp_path / str(number)
        folder.mkdir()
        async with workshop(folder, wrap=naming) as shop:
            counter = await counter_at(shop, method)
            sealed = await make(counter)
            await shop.judge(b"0" * 16)  # so that the catalogue is in memory
            stores[0].names.clear()
            answer = await counter.present(sealed)
            work[name] = list(stores[0].names)
            assert answer == REFUSED[method].SerializeToString(), name
            (item,) = (await shop.all_events())[-1].items
            assert (item.card_id, item.outcome) == (b"", f"SUBMISSION_{cause.name}"), name
            detailed = await counter.present(sealed, WITH_DETAIL)
            told = type(REFUSED[method]).FromString(detailed)
            if isinstance(told, pb.ValidateCodeResponse):
                assert (told.result.detail, told.result.card_id) == (DETAIL_SUBMISSION, ""), name
            elif isinstance(told, pb.RedeemCodeResponse | pb.ExchangeCodeResponse):
                assert (told.detail, told.card_id) == (DETAIL_SUBMISSION, ""), name
    assert {tuple(calls) for calls in work.values()} == {tuple(work["old"])}


def test_every_cause_is_counted_under_its_name() -> None:
    assert {cause.name.lower() for cause in Cause} == set(SUBMISSION_CAUSES)


@pytest.mark.parametrize("late_ms", [AGE_MS, -AGE_MS, 0])
async def test_a_submission_is_taken_until_five_minutes_either_way(shop: Workshop, late_ms: int) -> None:
    counter = await counter_at(shop, "RedeemCode")
    sealed = await counter.seal(seal_time_ms=shop.clock.now_ms - late_ms)
    assert pb.RedeemCodeResponse.FromString(await counter.present(sealed)).verdict == VERDICT_GOOD


async def test_a_refused_submission_is_not_spent(shop: Workshop) -> None:
    counter = await counter_at(shop, "RedeemCode")
    sealed = await counter.seal()
    thief = Grants(PROGRAMS, audiences=frozenset({"spiffe://test/thief"}))
    refused = await counter.present(sealed, thief, "spiffe://test/thief")
    assert pb.RedeemCodeResponse.FromString(refused).verdict == VERDICT_SUBMISSION_REFUSED
    assert pb.RedeemCodeResponse.FromString(await counter.present(sealed)).verdict == VERDICT_GOOD


async def test_a_relay_presents_what_is_sealed_for_its_shop(shop: Workshop) -> None:
    counter = await counter_at(shop, "ValidateCode")
    relay = Grants(PROGRAMS, audiences=frozenset({"spiffe://r/1", SHOP}))
    answer = await counter.present(await counter.seal(), relay, "spiffe://r/1")
    assert pb.ValidateCodeResponse.FromString(answer).result.verdict == VERDICT_GOOD


@pytest.mark.parametrize("state", [KeyState.PRE_ACTIVE, KeyState.ACTIVE, KeyState.DEACTIVATED])
async def test_keys_of_yesterday_today_and_tomorrow_open(shop: Workshop, state: KeyState) -> None:
    counter = await counter_at(shop, "ValidateCode")
    other = shop.restarted()
    await other.judge(b"0" * 16)
    await shop.key_versions.create(shop.call(), KeyPurpose.SEALING, "")
    rows = await shop.public_keys.all(shop.call())
    (row,) = (row for row in rows if row.purpose == KeyPurpose.SEALING and row.state == state)
    sealed = await counter.seal(key=(row.version, row.public_key))
    there = Counter(other, "ValidateCode")  # a process that has not seen the rotation
    answer = await there.present(sealed)
    assert pb.ValidateCodeResponse.FromString(answer).result.verdict == VERDICT_GOOD


async def test_a_submission_tells_nothing_in_its_texts(shop: Workshop) -> None:
    counter = await counter_at(shop, "ValidateCode")
    sealed = await counter.seal()
    assert repr(sealed) == f"<Sealed, {len(sealed.blob)} bytes>"
    call = Shop(shop).call("ValidateCode")
    single = await open_single(shop.recorder, call, Wanted(("netcash",), VALIDATE), sealed)
    assert single.opened is not None
    assert single.opened.codes == (counter.code,)
    for text in (repr(single), repr(single.opened), f"{single.opened}", repr(Inquiry(call, (), [sealed], "code"))):
        assert counter.code.decode() not in text
