"""What is not good looks alike: the same bytes, the same look-ups, one row written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.contracts.faults import FaultyStore
from tests.service.exchanging import DAY, SECRET, Claimant, Leaked, leaked, sold
from tests.service.reissue import reissue
from tests.workshop import ALL, Workshop, workshop
from vault.codes.checkdigit import check_digit
from vault.crypto.sealedbox import draw_key, public_half
from vault.model.states import CheckAlgorithm, Proof, Role
from vault.policy.access import Grants
from vault.rpc.validation_servicer import ValidationServicer
from vault.service.exchanging.attempts import FREE
from vault.service.exchanging.claims import Shown
from vault.v1 import validation_service_pb2 as pb
from vault.v1.resources_pb2 import VERDICT_NOT_GOOD, PresentedCode

EXCHANGER = Grants({Role.EXCHANGER: frozenset({"*"})})
WITHOUT = ["unknown", "check digit", "current", "unsold", "lost", "wrong", "kind", "wait", "expired window", "stopped"]


class NamingStore(FaultyStore):
    """Takes down which calls were made."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.names: list[str] = []

    def call(self, method: Callable[..., Any], *args: Any, **names: Any) -> Any:
        """Take a call down and make it."""
        self.names.append(method.__qualname__)
        return super().call(method, *args, **names)


async def _ask(shop: Workshop, code: bytes, grants: Grants = EXCHANGER, **proof: Any) -> bytes:
    """Send a claim to the servicer, and return the bytes of its answer."""
    cards = shop.cards
    servicer = ValidationServicer(
        shop.validation, shop.redemptions, shop.exchanges, cards, shop.public_keys, shop.inquiries
    )
    request = pb.ExchangeCodeRequest(
        program="netcash",
        request_id=str(uuid4()),
        code=PresentedCode(code=code.decode()),
        public_key=public_half(draw_key()),
        **proof,
    )
    call = shop.call("ExchangeCode", request_id=uuid4(), body=request.SerializeToString())
    return (await servicer.ExchangeCode(call._replace(grants=grants), request)).SerializeToString()


async def _prepared(shop: Workshop, case: str) -> tuple[bytes, dict[str, Any]]:
    """Return a code and a proof that are not good, in the way that is asked for."""
    _, _, (card, other) = await leaked(shop, Proof.SALE_SECRET, 2)
    code = card.old.code.expose()
    if case in {"expired window", "stopped", "kind"}:
        if case == "expired window":
            shop.clock.advance(60 * DAY)
        elif case == "stopped":
            await shop.programs.turn(shop.call(), "netcash", "stop", note="", etag="")
        return code, {"serial": card.old.serial} if case == "kind" else {"sale_secret": SECRET.expose()}
    if case == "wait":
        for _ in range(FREE):
            await Claimant(shop).claim(code, other.right[Proof.SALE_SECRET]._replace(value=draw_key()))
    return await _another(shop, case, card), {"sale_secret": b"guessed"}


async def _another(shop: Workshop, case: str, card: Leaked) -> bytes:
    """Return a code that is not exchanged whatever is shown, or the superseded one."""
    code = card.old.code.expose()
    match case:
        case "unknown":
            payload = bytes([48 + (code[0] - 47) % 10]) + code[1:-1]
            return payload + check_digit(payload, CheckAlgorithm.LUHN)
        case "check digit":
            return code[:-1] + bytes([48 + (code[-1] - 47) % 10])
        case "current":
            return card.code
        case "unsold":
            return (await shop.issue()).codes[0].code.expose()
        case "lost":
            (lost,) = await sold(shop)
            await reissue(shop, lost.card_id)
            return lost.code.expose()
        case _:
            return code


@pytest.mark.parametrize("case", WITHOUT)
async def test_without_the_right_to_details_every_refusal_has_the_same_bytes_and_the_same_look_ups(
    tmp_path: Path, case: str
) -> None:
    stores: list[NamingStore] = []

    def naming(store: Any) -> Any:
        stores.append(NamingStore(store))
        return stores[0]

    async with workshop(tmp_path, wrap=naming) as shop:
        code, proof = await _prepared(shop, case)
        seen = []
        for asked in (code, b"0" * 16):
            await shop.judge(asked)  # so that both find the catalogue in memory
            stores[0].names.clear()
            seen.append((await _ask(shop, asked, **proof), list(stores[0].names)))
        assert seen[0] == seen[1]
        assert seen[0][0] == pb.ExchangeCodeResponse(verdict=VERDICT_NOT_GOOD).SerializeToString()
        assert seen[0][1].count("SqliteExchanges.put_attempts") == 1
        with_detail = pb.ExchangeCodeResponse.FromString(await _ask(shop, code, ALL, **proof))
        assert (with_detail.detail != 0) == (case != "current")
        assert not with_detail.card_id


async def test_attempts_that_count_for_nobody_are_256_rows_at_most(shop: Workshop) -> None:
    await leaked(shop)
    for number in range(300):
        await Claimant(shop).claim(f"{number:016}".encode(), Shown(Proof.PURCHASE))
    rows = shop.database.rows("attempt")
    assert 100 < len(rows) <= 256
    assert not any(row["failures"] for row in rows)
    assert {row["card_id"][:15] for row in rows} == {bytes(15)}
