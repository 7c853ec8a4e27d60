"""Claims to exchange a code, from the holder's side."""

from typing import Any
from uuid import UUID

import pytest

from tests.client.conftest import Peer
from vault.client import ExchangeClaim, draw_key, exchange_code, open_exchanged_code, public_key
from vault.crypto.sealedbox import seal_box
from vault.errors import IntegrityFailure, InvalidInput, Unavailable
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.status import to_status
from vault.v1 import validation_service_pb2_grpc
from vault.v1.resources_pb2 import VERDICT_GOOD, VERDICT_NOT_GOOD, PresentedCode
from vault.v1.validation_service_pb2 import ExchangeCodeRequest, ExchangeCodeResponse

OLD, NEW, SERIAL = "4000123412341234", "4000432143214321", "A00000000000A"


class Validation(validation_service_pb2_grpc.ValidationServiceServicer):
    """Fails as often as it is told to, then hands the new code out."""

    def __init__(self, *, good: bool = True, failures: int = 0, request_id: str = "") -> None:
        self.good = good
        self.failures = failures
        self.request_id = request_id
        self.requests: list[ExchangeCodeRequest] = []

    async def ExchangeCode(self, request: ExchangeCodeRequest, context: Any) -> ExchangeCodeResponse:  # noqa: N802
        self.requests.append(request)
        if len(self.requests) <= self.failures:
            status = to_status(Unavailable("not now", retry_seconds=0.0), "a-correlation-id")
            await context.abort(status.code, status.details, status.trailing_metadata)
        if not self.good:
            return ExchangeCodeResponse(verdict=VERDICT_NOT_GOOD)
        message = ExchangedCode(code=NEW, serial=SERIAL, request_id=self.request_id or request.request_id)
        sealed = seal_box(request.public_key, message.SerializeToString())
        return ExchangeCodeResponse(verdict=VERDICT_GOOD, sealed_code=sealed)


def _request() -> ExchangeCodeRequest:
    return ExchangeCodeRequest(program="netcash", code=PresentedCode(code=OLD), sale_secret=b"my secret")


def _serve(peer: Peer, **how: Any) -> Validation:
    servicer = Validation(**how)  # type: ignore[abstract]  # the rest is never called
    validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(servicer, peer.server)
    return servicer


async def test_the_answer_is_opened(peer: Peer) -> None:
    servicer = _serve(peer, failures=2)
    claim = ExchangeClaim(_request())
    async with await peer.client() as client:
        exchanged = await exchange_code(client, claim)
    assert exchanged is not None
    assert (exchanged.code, exchanged.serial) == (NEW, SERIAL)
    first, *others = servicer.requests
    assert len(others) == 2
    assert all(other == first for other in others)
    assert UUID(first.request_id).version == 4


async def test_a_code_that_is_not_good_is_none(peer: Peer) -> None:
    _serve(peer, good=False)
    async with await peer.client() as client:
        assert await exchange_code(client, ExchangeClaim(_request())) is None


async def test_an_answer_to_another_claim_is_refused(peer: Peer) -> None:
    _serve(peer, request_id="5e0f0d3c-6c8d-4d8e-8d5e-2f7a3a5b8c11")
    async with await peer.client() as client:
        with pytest.raises(IntegrityFailure) as refused:
            await exchange_code(client, ExchangeClaim(_request()))
    assert refused.value.reason == "EXCHANGE_MISMATCH"
    assert NEW not in str(refused.value)


@pytest.mark.parametrize("damage", ["another key", "changed", "no message"])
def test_what_cannot_be_opened_is_refused(damage: str) -> None:
    claim = ExchangeClaim(_request())
    message = ExchangedCode(code=NEW, request_id=claim.request.request_id).SerializeToString()
    sealed = seal_box(claim.request.public_key, b"\xff" if damage == "no message" else message)
    if damage == "changed":
        sealed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    opener = ExchangeClaim(_request()) if damage == "another key" else claim
    with pytest.raises(IntegrityFailure):
        opener.open(sealed)


def test_every_claim_has_an_id_and_a_key_of_its_own_and_leaves_the_request_as_it_was() -> None:
    request = _request()
    one, other = ExchangeClaim(request), ExchangeClaim(request)
    assert one.request.request_id != other.request.request_id
    assert one.request.public_key != other.request.public_key
    assert request == _request()


def test_a_claim_is_taken_up_again_by_its_id_and_key() -> None:
    begun = ExchangeClaim(_request())
    request = _request()
    request.request_id = begun.request.request_id
    again = ExchangeClaim(request, begun.private_key)
    assert again.request == begun.request


def test_a_claim_shows_neither_code_nor_secret() -> None:
    claim = ExchangeClaim(_request())
    assert repr(claim) == f"<ExchangeClaim {claim.request.request_id}>"
    assert f"{claim}" == repr(claim)


def test_what_was_sealed_at_an_edge_is_opened_there_and_cannot_be_claimed_by_a_relay() -> None:
    private_key = draw_key()
    sealed = seal_box(public_key(private_key), ExchangedCode(code=NEW, serial=SERIAL).SerializeToString())
    assert open_exchanged_code(private_key, sealed).code == NEW
    with pytest.raises(IntegrityFailure):
        open_exchanged_code(draw_key(), sealed)
    with pytest.raises(InvalidInput) as caught:
        ExchangeClaim(ExchangeCodeRequest(program="netcash", code=PresentedCode(sealed=bytes(565))))
    assert caught.value.reason == "SEALED_CODE"
