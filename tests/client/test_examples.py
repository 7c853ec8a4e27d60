"""The examples in the client's docstrings, run as they stand against a peer over TLS."""

import ast
import asyncio
import inspect
import re
import textwrap
import time
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest

import vault.client
from tests.client.conftest import Peer
from tests.client.signing import ISSUER, answer, private_key, published
from vault.client import Sealer, blocking, exchange, jwks, receipts, sealer, validator
from vault.crypto.receipt import sign_receipt
from vault.crypto.sealedbox import seal_box
from vault.crypto.submission import open_submission
from vault.formats.v1.exchanged_code_pb2 import ExchangedCode
from vault.model.states import KeyPurpose
from vault.v1 import validation_service_pb2 as pb
from vault.v1 import validation_service_pb2_grpc
from vault.v1.resources_pb2 import PresentedCode, Verdict

MODULES = (vault.client, exchange, validator, blocking, sealer, receipts)
GOOD = pb.ValidatedCode(verdict=Verdict.VERDICT_GOOD, card_id=str(uuid4()), program="netcash")
KEYS = [published(KeyPurpose.SEALING, 1), published(KeyPurpose.RECEIPT, 1)]


class Validation(validation_service_pb2_grpc.ValidationServiceServicer):
    """Finds every code good, and opens what is sealed to it."""

    async def ListPublicKeys(self, _: Any, __: Any) -> pb.ListPublicKeysResponse:  # noqa: N802
        return answer(*KEYS, seconds=time.time())

    async def ValidateCode(self, _: Any, __: Any) -> pb.ValidateCodeResponse:  # noqa: N802
        return pb.ValidateCodeResponse(result=GOOD)

    async def BatchValidateCodes(  # noqa: N802
        self, request: pb.BatchValidateCodesRequest, _: Any
    ) -> pb.BatchValidateCodesResponse:
        return pb.BatchValidateCodesResponse(results=[GOOD] * len(request.codes))

    async def ExchangeCode(self, request: pb.ExchangeCodeRequest, _: Any) -> pb.ExchangeCodeResponse:  # noqa: N802
        public = request.public_key
        if request.code.HasField("sealed"):
            public = open_submission(private_key(KeyPurpose.SEALING, 1), request.code.sealed).public_key
        new = ExchangedCode(code="4000432143214321", request_id=request.request_id)
        box = seal_box(public, new.SerializeToString())
        return pb.ExchangeCodeResponse(verdict=Verdict.VERDICT_GOOD, sealed_code=box)


def examples() -> list[Any]:
    found = []
    for module in MODULES:
        blocks = re.findall(r"\n\n((?:    .*\n|\n(?=    ))+)", f"{module.__doc__}\n")
        assert blocks, module.__name__
        found += [pytest.param(module, block, id=f"{module.__name__} {number}") for number, block in enumerate(blocks)]
    return found


def receipt() -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "ledger.example.org",
        "iat": now,
        "nbf": now,
        "exp": now + 300,
        "jti": str(uuid4()),
        "use": "redemption",
        "sub": str(uuid4()),
        "program": "netcash",
        "outcome": "REDEEMED",
        "generation": 1,
    }
    return sign_receipt(private_key(KeyPurpose.RECEIPT, 1), claims)


@pytest.mark.parametrize(("module", "block"), examples())
async def test_the_example_works(module: ModuleType, block: str, peer: Peer) -> None:
    validation_service_pb2_grpc.add_ValidationServiceServicer_to_server(
        Validation(),  # type: ignore[abstract]  # the rest is never called
        peer.server,
    )
    paid: list[tuple[str, str]] = []
    async with await peer.client() as client, Sealer(client) as at_edge:
        names: dict[str, Any] = {name: getattr(vault.client, name) for name in vault.client.__all__}
        names |= {name: value for name, value in vars(pb).items() if not name.startswith("_")}
        names |= {"PresentedCode": PresentedCode, "Verdict": Verdict, "client": client, "sealer": at_edge}
        names |= {"ca": peer.certificates / "ca.pem", "certificate": peer.certificates / "shop.pem"}
        names |= {"key": peer.certificates / "shop.key", "digits": "4000001234567899", "serial": "A00000000000A"}
        names |= {"SHOP": "spiffe://shop.example/web", "keys": jwks.verifying_keys(KEYS), "issuer": ISSUER}
        names |= {"text": receipt(), "pay_once": lambda *what: paid.append(what)}
        names["present"] = lambda request: client.call(client.validation.ExchangeCode, request)
        source = textwrap.dedent(block.replace("localhost:7443", f"localhost:{peer.port}"))
        code = compile(source, module.__name__, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            await eval(code, names)
        else:
            await asyncio.to_thread(exec, code, names)
    assert bool(paid) == (module is receipts)
