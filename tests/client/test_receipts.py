"""Receipts that count, here and now, and everything else refused alike."""

import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.client.signing import ISSUER, answer, private_key, published
from vault.client import Receipt, ReceiptResult, ReceiptUse, ReceiptVerifier, jwk_set
from vault.crypto.jws import spell
from vault.crypto.receipt import sign_receipt
from vault.errors import IntegrityFailure, InvalidInput
from vault.model.states import KeyPurpose, KeyState

NOW = 1_700_000_100
KEY = private_key(KeyPurpose.RECEIPT, 2)
PUBLISHED = [published(KeyPurpose.RECEIPT, 2), published(KeyPurpose.STATEMENT, 1)]
LEDGER = "ledger.example"
CARD, RECEIPT_ID = "0b0a5a0e-5d4e-4c0b-8d57-6a1f0c1e9b11", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
NONCE = bytes(range(16))
SHARED: dict[str, Any] = {
    "iss": ISSUER,
    "aud": LEDGER,
    "iat": NOW,
    "nbf": NOW,
    "exp": NOW + 300,
    "jti": RECEIPT_ID,
    "use": "redemption",
    "nonce": spell(NONCE),
}
GOOD = {"sub": CARD, "program": "netcash", "outcome": "GOOD", "generation": 2}
CLAIMS = SHARED | GOOD | {"outcome": "REDEEMED"}
BATCH = SHARED | {"use": "validation", "results": [GOOD, {"outcome": "NOT_GOOD"}]}


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()


def verifier(**changes: Any) -> ReceiptVerifier:
    settings: dict[str, Any] = {"audience": LEDGER, "clock": CLOCK, **changes}
    return ReceiptVerifier.of_answer(answer(*PUBLISHED), **settings)


def refusal(claims: dict[str, Any], *, use: ReceiptUse = ReceiptUse.REDEMPTION, **how: Any) -> str:
    with pytest.raises(IntegrityFailure) as caught:
        verifier().verify(sign_receipt(KEY, claims), use=use, **how)
    assert caught.value.reason == "RECEIPT"
    return caught.value.message


MESSAGE = refusal({})


def test_a_receipt_says_what_the_vault_said() -> None:
    receipt = verifier().verify(sign_receipt(KEY, CLAIMS), use=ReceiptUse.REDEMPTION, nonce=NONCE)
    result = ReceiptResult(good=True, card_id=CARD, program="netcash", generation=2)
    use = ReceiptUse.REDEMPTION
    assert receipt == Receipt(RECEIPT_ID, ISSUER, LEDGER, use, NOW, NOW, NOW + 300, NONCE, (result,))
    assert receipt.card_id == CARD


def test_a_batch_says_it_of_each_code_and_is_taken_only_where_it_is_asked_for() -> None:
    validation = ReceiptUse.VALIDATION
    receipt = verifier().verify(sign_receipt(KEY, BATCH), use=validation, batch=True)
    assert receipt.results == (
        ReceiptResult(good=True, card_id=CARD, program="netcash", generation=2),
        ReceiptResult(good=False),
    )
    assert refusal(BATCH, use=validation) == MESSAGE
    assert refusal(CLAIMS, batch=True) == MESSAGE


def test_a_jwk_set_is_as_good_as_the_answer() -> None:
    by_set = ReceiptVerifier.of_jwk_set(json.dumps(jwk_set(PUBLISHED)), issuer=ISSUER, audience=LEDGER, clock=CLOCK)
    assert by_set.verify(sign_receipt(KEY, CLAIMS), use=ReceiptUse.REDEMPTION).card_id == CARD


def test_a_nonce_is_compared_where_it_is_known() -> None:
    bare = {name: value for name, value in CLAIMS.items() if name != "nonce"}
    use = ReceiptUse.REDEMPTION
    assert verifier().verify(sign_receipt(KEY, bare), use=use, nonce=b"").nonce == b""
    assert verifier().verify(sign_receipt(KEY, CLAIMS), use=use).nonce == NONCE
    for claims, nonce in ((bare, NONCE), (CLAIMS, b""), (CLAIMS, NONCE[:15])):
        assert refusal(claims, nonce=nonce) == MESSAGE


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "urn:uuid:00000000-0000-4000-8000-000000000000"},
        {"iss": ""},
        {"iss": None},
        {"aud": "shop.example"},
        {"aud": "LEDGER.EXAMPLE"},
        {"aud": [LEDGER]},
        {"aud": ""},
        {"use": "validation"},
        {"use": "refund"},
        {"use": None},
        {"outcome": "GOOD"},
        {"outcome": "NOT_GOOD"},
        {"outcome": "redeemed"},
        {"outcome": None},
        {"jti": "1"},
        {"jti": RECEIPT_ID.upper()},
        {"sub": "card"},
        {"sub": None},
        {"program": None},
        {"generation": "2"},
        {"generation": True},
        {"nonce": "AA=="},
        {"nonce": "é"},
        {"nonce": 1},
        {"iat": str(NOW)},
        {"iat": float(NOW)},
        {"exp": None},
        {"exp": True},
        {"results": None},
        {"results": []},
        {"results": {}},
    ],
    ids=str,
)
def test_claims_that_do_not_suit_are_refused_alike(change: dict[str, Any]) -> None:
    assert refusal(CLAIMS | change) == MESSAGE


def test_a_validation_says_good_and_nothing_else() -> None:
    validation = ReceiptUse.VALIDATION
    good = SHARED | GOOD | {"use": "validation"}
    assert verifier().verify(sign_receipt(KEY, good), use=validation).card_id == CARD
    assert refusal(good) == MESSAGE
    assert refusal(good | {"outcome": "REDEEMED"}, use=validation) == MESSAGE


@pytest.mark.parametrize("results", [None, [], {}, [1], [[]], [{}], [{**GOOD, "sub": ""}], [GOOD, {"outcome": "BAD"}]])
def test_a_batch_of_another_form_is_refused_alike(results: object) -> None:
    assert refusal(BATCH | {"results": results}, use=ReceiptUse.VALIDATION, batch=True) == MESSAGE


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - {"nonce"}))
def test_a_claim_that_is_missing_is_refused_alike(name: str) -> None:
    assert refusal({other: value for other, value in CLAIMS.items() if other != name}) == MESSAGE


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"exp": NOW - 29}, True),
        ({"exp": NOW - 30}, False),
        ({"exp": 0}, False),
        ({"nbf": NOW + 30}, True),
        ({"nbf": NOW + 31}, False),
        ({"iat": NOW + 30}, True),
        ({"iat": NOW + 31}, False),
    ],
    ids=str,
)
def test_a_receipt_counts_from_its_beginning_to_its_end_within_the_leeway(change: dict[str, int], counts: bool) -> None:
    if counts:
        receipt = verifier().verify(sign_receipt(KEY, CLAIMS | change), use=ReceiptUse.REDEMPTION)
        assert receipt.receipt_id == RECEIPT_ID
    else:
        assert refusal(CLAIMS | change) == MESSAGE


def test_without_leeway_the_times_are_taken_as_they_are() -> None:
    text = sign_receipt(KEY, CLAIMS)
    strict = verifier(leeway_seconds=0, clock=lambda: NOW + 299.9)
    assert strict.verify(text, use=ReceiptUse.REDEMPTION).expire_time == NOW + 300
    with pytest.raises(IntegrityFailure):
        verifier(leeway_seconds=0, clock=lambda: NOW + 300.0).verify(text, use=ReceiptUse.REDEMPTION)


def test_a_claim_of_a_later_release_is_passed_over() -> None:
    """RFC 7519, section 4: claims that are not understood are ignored."""
    receipt = sign_receipt(KEY, CLAIMS | {"amount": 1})
    assert verifier().verify(receipt, use=ReceiptUse.REDEMPTION).card_id == CARD


def test_compromised_keys_and_those_of_statements_do_not_count() -> None:
    compromised = published(KeyPurpose.RECEIPT, 2, KeyState.COMPROMISED)
    for keys in ([compromised], [published(KeyPurpose.STATEMENT, 2)], [published(KeyPurpose.RECEIPT, 3)], []):
        by_keys = ReceiptVerifier.of_answer(answer(*keys), audience=LEDGER, clock=CLOCK)
        with pytest.raises(IntegrityFailure) as caught:
            by_keys.verify(sign_receipt(KEY, CLAIMS), use=ReceiptUse.REDEMPTION)
        assert caught.value.message == MESSAGE


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384", "HS512"])
def test_a_receipt_without_a_signature_or_signed_with_the_public_key_is_refused(algorithm: str) -> None:
    key: Any = None if algorithm == "none" else PUBLISHED[0].public_key.ljust(64, b"\0")
    text = jwt.encode(CLAIMS, key, algorithm, headers={"kid": "receipt-2", "typ": "vault-receipt+jwt"})
    with pytest.raises(IntegrityFailure) as caught:
        verifier().verify(text, use=ReceiptUse.REDEMPTION)
    assert caught.value.message == MESSAGE


@given(st.data())
def test_any_changed_byte_is_refused_alike(data: st.DataObject) -> None:
    text = sign_receipt(KEY, CLAIMS)
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))
    with pytest.raises(IntegrityFailure) as caught:
        verifier().verify(text[:at] + other + text[at + 1 :], use=ReceiptUse.REDEMPTION)
    assert caught.value.message == MESSAGE


@pytest.mark.parametrize(("issuer", "audience"), [("", LEDGER), (ISSUER, "")])
def test_a_verifier_without_issuer_or_audience_is_not_made(issuer: str, audience: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ReceiptVerifier({}, issuer=issuer, audience=audience)
    assert caught.value.reason == "RECEIPT_PARTY"
