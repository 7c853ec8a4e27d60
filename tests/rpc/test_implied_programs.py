"""A request that names no program asks the caller's only one; a retry of it asks no other."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.rpc.authority import Authority
from tests.rpc.conftest import tls_files, write_tls
from tests.rpc.test_sealed_wire import SHOP, Wire
from tests.workshop import workshop
from vault.errors import AlreadyExists
from vault.policy.access import Access, parse_access
from vault.rpc.server import Server
from vault.service import rules
from vault.v1 import resources_pb2 as res
from vault.v1 import validation_service_pb2 as pb
from vault.wiring.worker import servicers


def _only(program: str) -> Access:
    text = f"""
        [[principal]]
        name = "{SHOP}"
        roles = {{ "{program}" = ["validator"] }}
        receipt_audiences = ["ledger.test"]
    """
    return parse_access(text.encode())


class Served(Wire):
    """A served vault whose access file changes."""

    access = _only("netcash")


@pytest.fixture
async def served(tmp_path: Path, authority: Authority) -> AsyncIterator[Served]:
    """Serve a vault with two programs."""
    async with workshop(tmp_path) as shop:
        write_tls(tmp_path, authority.server(), authority.certificate)

        async def refused(*_: object) -> None:
            pass

        server = Server(servicers(shop.parts), lambda: wire.access, refused, tls_files(tmp_path))
        wire = Served(tmp_path, authority, shop, await server.start("127.0.0.1:0"))
        await shop.program()
        await shop.program("gift")
        yield wire
        await server.drain(0)


@pytest.mark.parametrize("several", [False, True])
async def test_a_retry_is_not_told_of_another_program_than_the_first_answer(served: Served, several: bool) -> None:
    (issued,) = (await served.shop.issue()).codes
    await served.shop.change(rules.activate, issued.card_id)
    async with served.client(SHOP) as shop:
        code, receipt = await served.seal(shop, issued.code.expose()), res.ReceiptRequest(audience="ledger.test")
        request_id, validation = str(uuid4()), shop.validation

        async def ask(programs: list[str]) -> pb.ValidatedCode:
            named = {"programs": programs, "request_id": request_id, "receipt": receipt}
            if several:
                batch = pb.BatchValidateCodesRequest(codes=[code], **named)  # type: ignore[arg-type]
                return (await shop.call(validation.BatchValidateCodes, batch)).results[0]
            single = pb.ValidateCodeRequest(code=code, **named)  # type: ignore[arg-type]
            return (await shop.call(validation.ValidateCode, single)).result

        first = await ask([])
        assert first.program == "netcash"
        assert await ask([]) == first
        served.access = _only("gift")
        with pytest.raises(AlreadyExists) as refused:
            await ask([])
        assert refused.value.reason == "REQUEST_ID_REUSED"
        served.access = _only("netcash")
        assert await ask([]) == first
