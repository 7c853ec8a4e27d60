"""Sealed codes and receipts over the wire: the real servicers, server, access file and client."""

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import grpc.aio
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.rpc.authority import Authority
from tests.rpc.conftest import tls_files, write_tls
from tests.workshop import Workshop, workshop
from vault.client import VaultClient, connect
from vault.crypto.receipt import verify_receipt
from vault.crypto.submission import seal_submission
from vault.errors import AlreadyExists, FailedPrecondition, InvalidInput, PermissionDenied
from vault.formats.v1.submission_pb2 import Submission
from vault.policy.access import parse_access
from vault.rpc.server import Server
from vault.service import rules
from vault.status import from_rpc_error
from vault.v1 import resources_pb2 as res
from vault.v1 import validation_service_pb2 as pb
from vault.v1.administration_service_pb2 import CreateProgramRequest, UpdateProgramRequest
from vault.wiring.worker import servicers

SHOP, RELAY, OTHER = (f"spiffe://test/{name}" for name in ("shop", "relay", "other"))
ROLES = '{ "netcash" = ["validator", "redeemer", "exchanger"], "*" = ["operator"] }'
ACCESS = f"""
[[principal]]
name = "{SHOP}"
roles = {ROLES}
relays = ["{RELAY}"]
receipt_audiences = ["ledger.test"]
[[principal]]
name = "{RELAY}"
roles = {ROLES}
[[principal]]
name = "{OTHER}"
roles = {ROLES}
"""


class Wire:
    """A served vault, and its callers."""

    def __init__(self, folder: Path, authority: Authority, shop: Workshop, port: int) -> None:
        self.folder = folder
        self.authority = authority
        self.shop = shop
        self.port = port

    @contextlib.asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[VaultClient]:
        """Connect as somebody."""
        pair, folder = self.authority.client(name), self.folder / name.rpartition("/")[2]
        folder.mkdir(exist_ok=True)
        for file, value in (("ca.pem", self.authority.certificate), ("own.pem", pair.certificate)):
            (folder / file).write_bytes(value)
        key = folder / "own.key"
        key.touch(mode=0o600)
        key.write_bytes(pair.private_key)
        ca, certificate = folder / "ca.pem", folder / "own.pem"
        address = f"localhost:{self.port}"
        connection = connect(address, ca=ca, certificate=certificate, private_key=key, timeout_seconds=120.0)
        async with connection as client:
            yield client

    async def seal(self, client: VaultClient, code: bytes, **fields: object) -> res.PresentedCode:
        """Seal a code by what the vault publishes."""
        published = await client.call(client.validation.ListPublicKeys, pb.ListPublicKeysRequest())
        sealing = res.PublicKey.PURPOSE_SEALING
        (key,) = [k for k in published.keys if (k.purpose, k.state) == (sealing, res.PublicKey.STATE_ACTIVE)]
        submission = Submission(
            audience=SHOP,
            program="netcash",
            purpose=Submission.PURPOSE_VALIDATE,
            seal_time_ms=published.time.ToMilliseconds(),
            nonce=os.urandom(16),
            codes=[code.decode()],
        )
        submission.MergeFrom(Submission(**fields))  # type: ignore[arg-type]
        version = int(key.key_id.rpartition("-")[2])
        return res.PresentedCode(sealed=seal_submission(key.public_key, version, submission))


@pytest.fixture
async def wire(tmp_path: Path, authority: Authority) -> AsyncIterator[Wire]:
    """Serve a vault with a program."""
    async with workshop(tmp_path) as shop:
        write_tls(tmp_path, authority.server(), authority.certificate)
        access = parse_access(ACCESS.encode())

        async def refused(*_: object) -> None:
            pass

        server = Server(servicers(shop.parts), lambda: access, refused, tls_files(tmp_path))
        port = await server.start("127.0.0.1:0")
        await shop.program(single_use=True)
        yield Wire(tmp_path, authority, shop, port)
        await server.drain(0)


async def _code(wire: Wire) -> bytes:
    (issued,) = (await wire.shop.issue()).codes
    await wire.shop.change(rules.activate, issued.card_id)
    return issued.code.expose()


async def test_a_relay_validates_and_the_shop_redeems_with_receipts_that_the_published_keys_verify(wire: Wire) -> None:
    code = await _code(wire)
    async with wire.client(RELAY) as relay, wire.client(SHOP) as shop:
        sealed = await wire.seal(relay, code)
        request = pb.ValidateCodeRequest(programs=["netcash"], code=sealed, request_id=str(uuid4()))
        answer = await relay.call(relay.validation.ValidateCode, request)
        assert answer.result.verdict == res.VERDICT_GOOD
        assert answer == await relay.call(relay.validation.ValidateCode, request)
        redeem = pb.RedeemCodeRequest(
            program="netcash",
            code=await wire.seal(shop, code, purpose=Submission.PURPOSE_REDEEM),
            request_id=str(uuid4()),
            receipt=res.ReceiptRequest(audience="ledger.test", nonce=b"1"),
        )
        redeemed = await shop.call(shop.validation.RedeemCode, redeem)
        published = await shop.call(shop.validation.ListPublicKeys, pb.ListPublicKeysRequest())
        keys = {key.key_id: key.public_key for key in published.keys}
        claims = verify_receipt(redeemed.receipt, keys)
        assert (claims["iss"], claims["sub"]) == (published.issuer, redeemed.card_id)
        assert (claims["jti"], claims["outcome"]) == (redeemed.redemption_id, "REDEEMED")
        assert published.time.ToMilliseconds() == wire.shop.clock.now_ms
        assert all(key.activate_time.ToMilliseconds() == wire.shop.clock.now_ms for key in published.keys)
        redeem.receipt.audience = "ledger.elsewhere"
        with pytest.raises(PermissionDenied) as refused:
            await shop.call(shop.validation.RedeemCode, redeem)
        assert refused.value.reason == "AUDIENCE_NOT_ALLOWED"


async def test_another_caller_is_refused_without_a_word(wire: Wire) -> None:
    code = await _code(wire)
    async with wire.client(OTHER) as other:
        request = pb.ValidateCodeRequest(code=await wire.seal(other, code), request_id=str(uuid4()))
        answer = await other.call(other.validation.ValidateCode, request)
    assert answer == pb.ValidateCodeResponse(result=pb.ValidatedCode(verdict=res.VERDICT_SUBMISSION_REFUSED))


async def test_a_sealed_code_needs_a_request_id_and_one_in_clear_passes_it_over(wire: Wire) -> None:
    code = await _code(wire)
    clear = res.PresentedCode(code=code.decode())
    async with wire.client(SHOP) as shop:
        sealed = await wire.seal(shop, code)
        service = shop.validation
        for refusing in (
            service.ValidateCode(pb.ValidateCodeRequest(code=sealed)),
            service.BatchValidateCodes(pb.BatchValidateCodesRequest(codes=[clear, sealed])),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await refusing
            error = from_rpc_error(refused.value)
            assert (error.reason, error.field) == ("REQUEST_ID_REQUIRED", "request_id")
        request_id = str(uuid4())
        for digits in (code, b"0" * 16):
            request = pb.ValidateCodeRequest(code=res.PresentedCode(code=digits.decode()), request_id=request_id)
            await shop.call(service.ValidateCode, request)
        batch = pb.BatchValidateCodesRequest(codes=[clear, sealed], request_id=request_id)
        batch.receipt.audience = "ledger.test"
        answer = await shop.call(service.BatchValidateCodes, batch)
        assert [each.verdict for each in answer.results] == [res.VERDICT_GOOD] * 2
        assert answer.receipt
        reused = pb.ValidateCodeRequest(code=await wire.seal(shop, code), request_id=request_id)
        with pytest.raises(AlreadyExists) as twice:
            await shop.call(service.ValidateCode, reused)
        assert (twice.value.reason, twice.value.field) == ("REQUEST_ID_REUSED", "request_id")


async def test_what_a_sealed_exchange_holds_may_not_stand_beside_it(wire: Wire) -> None:
    code = await _code(wire)
    exchange = {"purpose": Submission.PURPOSE_EXCHANGE, "serial": "A000000000000", "public_key": bytes(range(1, 33))}
    async with wire.client(SHOP) as shop:
        sealed = await wire.seal(shop, code, **exchange)
        clear = res.PresentedCode(code=code.decode())
        wrong: list[tuple[pb.ExchangeCodeRequest, str, str]] = [
            (pb.ExchangeCodeRequest(code=sealed, serial="A000000000000"), "SEALED_ALREADY", "serial"),
            (pb.ExchangeCodeRequest(code=sealed, public_key=bytes(range(1, 33))), "SEALED_ALREADY", "public_key"),
            (pb.ExchangeCodeRequest(code=clear, purchase_proven=True), "FIELD_REQUIRED", "public_key"),
            (pb.ExchangeCodeRequest(code=clear, public_key=bytes(range(1, 33))), "FIELD_REQUIRED", "proof"),
            (pb.ExchangeCodeRequest(code=sealed, purchase_proven=False), "OUT_OF_RANGE", "purchase_proven"),
        ]
        for request, reason, field in wrong:
            request.program = "netcash"
            request.request_id = str(uuid4())
            with pytest.raises(InvalidInput) as refused:
                await shop.call(shop.validation.ExchangeCode, request)
            assert (refused.value.reason, refused.value.field) == (reason, field)
        right = pb.ExchangeCodeRequest(program="netcash", code=sealed, request_id=str(uuid4()), purchase_proven=True)
        answer = await shop.call(shop.validation.ExchangeCode, right)
        assert answer.verdict == res.VERDICT_NOT_GOOD  # it is no superseded code


async def test_a_program_says_whether_it_requires_sealing(wire: Wire) -> None:
    async with wire.client(SHOP) as shop:
        admin = shop.administration
        create = CreateProgramRequest(program="sealed", settings=res.ProgramSettings(seal_required=True))
        created = (await shop.call(admin.CreateProgram, create)).program
        assert created.settings.seal_required

        def update(*, required: bool) -> UpdateProgramRequest:
            settings = res.ProgramSettings(seal_required=required)
            mask = FieldMask(paths=["seal_required"])
            return UpdateProgramRequest(program="netcash", settings=settings, update_mask=mask)

        assert (await shop.call(admin.UpdateProgram, update(required=True))).program.settings.seal_required
        request = pb.ValidateCodeRequest(code=res.PresentedCode(code="0" * 16))
        with pytest.raises(FailedPrecondition) as refused:
            await shop.call(shop.validation.ValidateCode, request)
        assert (refused.value.reason, refused.value.field) == ("SEAL_REQUIRED", "code.code")
        changed = await shop.call(admin.UpdateProgram, update(required=False))
        assert not changed.program.settings.seal_required
        assert (await shop.call(shop.validation.ValidateCode, request)).result.verdict == res.VERDICT_NOT_GOOD


async def test_answers_that_are_not_good_differ_in_no_byte_and_no_trailer(wire: Wire) -> None:
    inactive, closed = (await wire.shop.issue(2)).codes
    await wire.shop.change(rules.turn("close"), closed.card_id)
    codes = [inactive.code.expose(), closed.code.expose(), b"0" * 16, b"1" * 16]
    seen: dict[str, set[tuple[object, ...]]] = {}
    async with wire.client(SHOP) as shop:
        forms = [("clear", res.PresentedCode(code=code.decode())) for code in codes]
        forms += [("sealed", await wire.seal(shop, code)) for code in codes]
        refusals: list[dict[str, object]] = [
            {"audience": OTHER},
            {"program": "elsewhere"},
            {"purpose": Submission.PURPOSE_REDEEM},
            {"seal_time_ms": 1},
        ]
        forms += [("refused", await wire.seal(shop, codes[0], **fields)) for fields in refusals]
        for kind, form in forms:
            request = pb.ValidateCodeRequest(programs=["netcash"], code=form, request_id=str(uuid4()))
            request.receipt.audience = "ledger.test"
            call = shop.validation.ValidateCode(request)
            answer = (await call).SerializeToString()
            about = tuple(await call.initial_metadata()), tuple(await call.trailing_metadata())
            seen.setdefault(kind, set()).add((answer, about))
    assert {kind: len(answers) for kind, answers in seen.items()} == {"clear": 1, "sealed": 1, "refused": 1}
    assert seen["clear"] == seen["sealed"] != seen["refused"]
