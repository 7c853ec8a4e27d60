"""What receipts say, and what stands behind a redemption's."""

import base64
import json
from uuid import UUID

import pytest

from tests.service.sealing import LEDGER, REDEEM, WISH, Edge, Shop, receipt_claims
from tests.workshop import Workshop
from vault.errors import PermissionDenied
from vault.model.states import Detail, KeyPurpose
from vault.service import rules
from vault.service.answering.receipts import DEFAULT_SECONDS, Wish
from vault.service.answering.redemption import Redemption
from vault.service.answering.submissions import Presented
from vault.service.issuing.delivery import OpenedCode
from vault.service.select import Selector


async def _sold(shop: Workshop) -> OpenedCode:
    await shop.program(single_use=True)
    (issued,) = (await shop.issue()).codes
    await shop.change(rules.activate, issued.card_id)
    return issued


class Till:
    """Redeems a code by one request."""

    def __init__(self, shop: Workshop, code: Presented, wish: Wish | None = WISH) -> None:
        self.shop = shop
        self.code = code
        self.wish = wish
        self.call = Shop(shop).call("RedeemCode")

    async def redeem(self, shop: Workshop | None = None) -> Redemption:
        """Send the request."""
        return await (shop or self.shop).redemptions.redeem(self.call, "netcash", self.code, self.wish)


async def _sealed(shop: Workshop, issued: OpenedCode) -> Presented:
    return await Edge(shop).seal(issued.code.expose(), purpose=REDEEM)


async def test_a_receipt_of_a_validation_says_what_was_found_and_no_more(shop: Workshop) -> None:
    issued = await _sold(shop)
    told = await Shop(shop).ask(await Edge(shop).seal(issued.code.expose()), wish=WISH)
    claims = await receipt_claims(shop, told.receipt)
    (vault,) = shop.database.rows("vault")
    now = shop.clock.now_ms // 1000
    (event,) = [event for event in await shop.all_events() if event.action.endswith("ValidateCode")]
    assert claims == {
        "iss": f"urn:uuid:{UUID(bytes=vault['vault_id'])}",
        "sub": str(UUID(bytes=issued.card_id)),
        "aud": LEDGER,
        "iat": now,
        "nbf": now,
        "exp": now + DEFAULT_SECONDS,
        "jti": event.subject.removeprefix("receipt/"),
        "program": "netcash",
        "outcome": "GOOD",
        "generation": 1,
        "use": "validation",
        "nonce": base64.urlsafe_b64encode(WISH.nonce).rstrip(b"=").decode(),
    }
    head = json.loads(base64.urlsafe_b64decode(told.receipt.partition(".")[0] + "=="))
    assert head == {"alg": "EdDSA", "kid": "receipt-1", "typ": "vault-receipt+jwt"}
    nameless = await Shop(shop).ask(issued.code.expose(), wish=Wish(LEDGER))
    assert "nonce" not in await receipt_claims(shop, nameless.receipt)


async def test_a_receipt_of_a_batch_says_nothing_of_what_is_not_good(shop: Workshop) -> None:
    issued = await _sold(shop)
    edge, code = Edge(shop), issued.code.expose()
    sealed = [await edge.seal(each) for each in (code, b"0" * 16)] + [await edge.seal(code, program="other")]
    told = await Shop(shop).ask(*sealed, code, several=True, wish=WISH)
    claims = await receipt_claims(shop, told.receipt)
    card = {"sub": str(UUID(bytes=issued.card_id)), "program": "netcash", "generation": 1, "outcome": "GOOD"}
    assert claims["results"] == [card, {"outcome": "NOT_GOOD"}, {"outcome": "NOT_GOOD"}, card]
    assert not claims.keys() & {"sub", "outcome", "program", "generation"}
    assert not set(told.receipt.split(".")) & {issued.serial}


async def test_a_retried_redemption_gets_a_new_receipt_with_the_same_id(shop: Workshop) -> None:
    till = Till(shop, await _sealed(shop, await _sold(shop)))
    first = await till.redeem()
    assert first.detail is Detail.GOOD
    shop.clock.advance(3600)
    await shop.key_versions.create(shop.call(), KeyPurpose.RECEIPT, "")
    again = await till.redeem(shop.restarted())
    assert again[:5] == first[:5]
    one, other = [await receipt_claims(shop, each.receipt) for each in (first, again)]
    assert one["jti"] == other["jti"] == str(UUID(bytes=first.redemption_id))
    assert (one["use"], one["outcome"], one["generation"]) == ("redemption", "REDEEMED", 1)
    assert (other["iat"], other["exp"]) == (one["iat"] + 3600, one["exp"] + 3600)
    assert {**one, "iat": 0, "nbf": 0, "exp": 0} == {**other, "iat": 0, "nbf": 0, "exp": 0}


async def test_a_reversed_redemption_gets_no_receipt_any_more(shop: Workshop) -> None:
    issued = await _sold(shop)
    till = Till(shop, await _sealed(shop, issued))
    first = await till.redeem()
    await shop.redemptions.reverse(shop.call(), "netcash", Selector(issued.card_id), first.redemption_id)
    again = await till.redeem()
    assert (again.detail, again.redemption_id, again.receipt) == (Detail.GOOD, first.redemption_id, "")
    second = await Till(shop, await _sealed(shop, issued)).redeem()
    assert second.receipt
    assert (await till.redeem()).receipt == ""


async def test_a_sealed_code_is_spent_once(shop: Workshop) -> None:
    issued = await _sold(shop)
    sealed = await _sealed(shop, issued)
    first, replay = Till(shop, sealed), Till(shop, sealed)
    assert (await first.redeem()).detail is Detail.GOOD
    assert await replay.redeem() == Redemption(Detail.SUBMISSION)
    assert (await Till(shop, await _sealed(shop, issued)).redeem()).detail is Detail.REDEEMED
    assert (await first.redeem()).detail is Detail.GOOD
    assert await replay.redeem() == Redemption(Detail.SUBMISSION)


async def test_what_is_not_redeemed_has_no_receipt(shop: Workshop) -> None:
    await _sold(shop)
    edge = Edge(shop)
    for code in (b"0" * 16, b"0" * 8):
        redemption = await Till(shop, await edge.seal(code, purpose=REDEEM)).redeem()
        assert (redemption.detail, redemption.receipt) in {(Detail.UNKNOWN, ""), (Detail.CHECK_DIGIT, "")}
    with pytest.raises(PermissionDenied) as refused:
        await Till(shop, b"0" * 16, Wish("elsewhere")).redeem()
    assert refused.value.reason == "AUDIENCE_NOT_ALLOWED"
    assert not shop.database.rows("request", principal=Shop(shop).principal, method="vault.v1.Test/Refused")
