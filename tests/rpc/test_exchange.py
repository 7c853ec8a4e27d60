"""Sales with secrets and exchanges over the wire: the real servicers, server and client."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.rpc.authority import Authority
from tests.rpc.conftest import tls_files, write_tls
from tests.service.exchanging import ExchangeDesk, Leaked, replaced
from tests.workshop import Workshop, workshop
from vault.client import ExchangeClaim, VaultClient, connect, exchange_code
from vault.errors import InvalidInput
from vault.model.states import Proof
from vault.policy.access import parse_access
from vault.rpc.server import Server
from vault.service.issuing.delivery import OpenedCode
from vault.v1.activation_service_pb2 import ActivateCardsRequest
from vault.v1.resources_pb2 import CardSelector, ChangeOutcome, PresentedCode
from vault.v1.validation_service_pb2 import ExchangeCodeRequest
from vault.wiring.worker import servicers

NAME = "spiffe://test/shop"
ACCESS = f"""
[[principal]]
name = "{NAME}"
roles = {{ "netcash" = ["seller", "exchanger"] }}
"""
SECRET = b"the holder's own secret"


@contextlib.asynccontextmanager
async def _served(folder: Path, authority: Authority, shop: Workshop) -> AsyncIterator[VaultClient]:
    write_tls(folder, authority.server(), authority.certificate)
    access = parse_access(ACCESS.encode())

    async def refused(*_: object) -> None:
        pass

    server = Server(servicers(shop.parts), lambda: access, refused, tls_files(folder))
    port = await server.start("127.0.0.1:0")
    pair = authority.client(NAME)
    for name, value in (("ca.pem", authority.certificate), ("shop.pem", pair.certificate)):
        (folder / name).write_bytes(value)
    key = folder / "shop.key"
    key.touch(mode=0o600)
    key.write_bytes(pair.private_key)
    connection = connect(
        f"localhost:{port}",
        ca=folder / "ca.pem",
        certificate=folder / "shop.pem",
        private_key=key,
        timeout_seconds=120.0,
    )
    async with connection as client:
        yield client
    await server.drain(0)


def _sale(*cards: OpenedCode, secrets: int) -> ActivateCardsRequest:
    selectors = [CardSelector(serial=card.serial) for card in cards]
    return ActivateCardsRequest(program="netcash", cards=selectors, sale_secrets=[SECRET] * secrets)


def _claim(card: Leaked, secret: bytes = SECRET) -> ExchangeClaim:
    code = PresentedCode(code=card.old.code.expose().decode())
    return ExchangeClaim(ExchangeCodeRequest(program="netcash", code=code, sale_secret=secret))


async def test_a_card_is_sold_with_a_secret_and_its_code_is_exchanged_for_it(
    tmp_path: Path, authority: Authority
) -> None:
    async with workshop(tmp_path) as shop, _served(tmp_path, authority, shop) as client:
        await shop.program()
        cards = (await shop.issue(2)).codes
        changed = await client.call(client.activation.ActivateCards, _sale(*cards, secrets=2))
        assert [change.outcome for change in changed.changes] == [ChangeOutcome.CHANGE_OUTCOME_DONE] * 2
        desk = ExchangeDesk(shop)
        incident = await desk.leak()
        card, other = await replaced(shop, incident, *cards)
        await desk.offer(incident, Proof.SALE_SECRET)
        assert await exchange_code(client, _claim(card, b"guessed")) is None
        claim = _claim(card)
        for _ in range(2):
            exchanged = await exchange_code(client, claim)
            assert exchanged is not None
            assert (exchanged.code.encode(), exchanged.serial) == (card.code, card.serial)
        assert await exchange_code(client, _claim(card)) is None  # another claim: contested
        assert [hold["ids"] for hold in shop.database.rows("hold")] == [card.card_id]
        assert await exchange_code(client, _claim(other)) is not None


@pytest.mark.parametrize("secrets", [1, 3])
async def test_another_number_of_secrets_than_of_cards_is_refused(
    tmp_path: Path, authority: Authority, secrets: int
) -> None:
    async with workshop(tmp_path) as shop, _served(tmp_path, authority, shop) as client:
        await shop.program()
        cards = (await shop.issue(2)).codes
        with pytest.raises(InvalidInput) as refused:
            await client.call(client.activation.ActivateCards, _sale(*cards, secrets=secrets))
    assert (refused.value.reason, refused.value.field) == ("SALE_SECRETS", "sale_secrets")
    assert SECRET.decode() not in str(refused.value)


async def test_a_mistyped_serial_and_a_weak_key_are_told_as_such(tmp_path: Path, authority: Authority) -> None:
    async with workshop(tmp_path) as shop, _served(tmp_path, authority, shop) as client:
        await shop.program()
        (card,) = (await shop.issue()).codes
        claim = ExchangeClaim(
            ExchangeCodeRequest(program="netcash", code=PresentedCode(code=card.code.expose().decode()))
        )
        mistyped = card.serial[:-1] + ("0" if card.serial[-1] != "0" else "1")
        for field, value in (("serial", mistyped), ("public_key", bytes([1]) + bytes(31))):
            request = ExchangeCodeRequest()
            request.CopyFrom(claim.request)
            request.serial = card.serial
            setattr(request, field, value)
            with pytest.raises(InvalidInput) as refused:
                await client.call(client.validation.ExchangeCode, request)
            assert refused.value.field == field
