"""Codes that are not good look alike: the same bytes, the same look-ups, in clear and sealed."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.service.naming import NamingStore
from tests.service.sealing import GRANTS, LEDGER, REDEEM, SHOP, VALIDATE, Edge, Shop
from tests.service.test_validation import code_of
from tests.workshop import Workshop, workshop
from vault.model.states import Detail
from vault.rpc.validation_servicer import ValidationServicer
from vault.service.answering.submissions import Presented, Sealed
from vault.v1 import validation_service_pb2 as pb
from vault.v1.resources_pb2 import VERDICT_NOT_GOOD, PresentedCode, ReceiptRequest

NOT_GOOD = (
    Detail.UNKNOWN,
    Detail.CHECK_DIGIT,
    Detail.INACTIVE,
    Detail.FROZEN,
    Detail.EXPIRED,
    Detail.SUPERSEDED,
    Detail.SUSPENDED,
    Detail.CLOSED,
    Detail.REDEEMED,
)
ANSWERS = {
    "ValidateCode": pb.ValidateCodeResponse(result=pb.ValidatedCode(verdict=VERDICT_NOT_GOOD)),
    "BatchValidateCodes": pb.BatchValidateCodesResponse(results=[pb.ValidatedCode(verdict=VERDICT_NOT_GOOD)]),
    "RedeemCode": pb.RedeemCodeResponse(verdict=VERDICT_NOT_GOOD),
}


def _request(
    method: str, code: PresentedCode
) -> pb.ValidateCodeRequest | pb.BatchValidateCodesRequest | pb.RedeemCodeRequest:
    request_id = str(uuid4())
    receipt = ReceiptRequest(audience=LEDGER) if code.sealed else None
    match method:
        case "ValidateCode":
            return pb.ValidateCodeRequest(programs=["netcash"], code=code, request_id=request_id, receipt=receipt)
        case "BatchValidateCodes":
            return pb.BatchValidateCodesRequest(programs=["netcash"], codes=[code], request_id=request_id)
        case _:
            return pb.RedeemCodeRequest(program="netcash", code=code, request_id=request_id, receipt=receipt)


async def _ask(shop: Workshop, method: str, code: Presented) -> bytes:
    servicer = ValidationServicer(
        shop.validation, shop.redemptions, shop.exchanges, shop.cards, shop.public_keys, shop.inquiries
    )
    form = PresentedCode(sealed=code.blob) if isinstance(code, Sealed) else PresentedCode(code=code.decode())
    request = _request(method, form)
    call = Shop(shop, SHOP, GRANTS).call(method, uuid4(), request.SerializeToString())
    answer = await getattr(servicer, method)(call, request)
    return bytes(answer.SerializeToString())


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "sealed"])
@pytest.mark.parametrize("method", ANSWERS)
async def test_every_code_that_is_not_good_gets_the_same_bytes_by_the_same_look_ups(
    tmp_path: Path, method: str, *, sealed: bool
) -> None:
    work = {}
    for detail in NOT_GOOD:
        stores: list[NamingStore] = []

        def naming(store: object, stores: list[NamingStore] = stores) -> NamingStore:
            stores.append(NamingStore(store))
            return stores[0]

        folder = tmp_path / detail.name
        folder.mkdir()
        async with workshop(folder, wrap=naming) as shop:
            await shop.program(single_use=True)
            digits = await code_of(shop, detail)
            purpose = REDEEM if method == "RedeemCode" else VALIDATE
            code = await Edge(shop).seal(digits, purpose=purpose) if sealed else digits
            await shop.judge(b"0" * 16)  # so that the catalogue is in memory
            stores[0].names.clear()
            answer = await _ask(shop, method, code)
            work[detail] = list(stores[0].names)
            assert answer == ANSWERS[method].SerializeToString()
            (item,) = (await shop.all_events())[-1].items
            assert item.outcome == detail.name
    assert {tuple(calls) for calls in work.values()} == {tuple(work[Detail.UNKNOWN])}
