"""Signing keys as a JWK set, against PyJWT."""

import json
from typing import Any

import jwt
import pytest

from tests.client.signing import private_key, published
from vault.client.jwks import jwk_set, parse_jwk_set, verifying_keys
from vault.crypto.receipt import sign_receipt
from vault.errors import InvalidInput
from vault.model.states import KeyPurpose, KeyState

RECEIPT, STATEMENT = KeyPurpose.RECEIPT, KeyPurpose.STATEMENT
KEYS = [
    published(RECEIPT, 1, KeyState.DEACTIVATED),
    published(RECEIPT, 2),
    published(RECEIPT, 3, KeyState.COMPROMISED),
    published(RECEIPT, 4, KeyState.PRE_ACTIVE),
    published(STATEMENT, 1),
    published(KeyPurpose.CHECKPOINT, 1),
    published(KeyPurpose.SEALING, 1),
]
GOOD: dict[str, Any] = jwk_set(KEYS)["keys"][1]


def test_the_set_holds_what_verifies_receipts_and_statements() -> None:
    assert [key["kid"] for key in jwk_set(KEYS)["keys"]] == ["receipt-1", "receipt-2", "receipt-4", "statement-1"]
    expected = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "receipt-2", "x": GOOD["x"]}
    assert expected == GOOD


def test_what_is_written_is_read() -> None:
    assert parse_jwk_set(json.dumps(jwk_set(KEYS))) == verifying_keys(KEYS)
    assert parse_jwk_set(b'{"keys":[]}') == {}


def test_the_example_of_rfc_8037_is_read() -> None:
    """RFC 8037, appendix A.2, with a kid."""
    text = '{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
    assert parse_jwk_set(text)["a"].hex().startswith("d75a980182b10ab7d54bfed3c964073a")


def test_an_independent_library_verifies_a_receipt_by_the_set() -> None:
    receipt = sign_receipt(private_key(RECEIPT, 2), {"aud": "ledger.example", "sub": "card"})
    keys = jwt.PyJWKSet.from_dict(jwk_set(KEYS))
    key = keys[jwt.get_unverified_header(receipt)["kid"]]
    assert jwt.decode(receipt, key, audience="ledger.example") == {"aud": "ledger.example", "sub": "card"}


def test_keys_of_other_kinds_are_passed_over() -> None:
    others = [
        {"kty": "EC", "crv": "P-256", "kid": "receipt-2", "x": "AA", "y": "AA"},
        {"kty": "OKP", "crv": "X25519", "kid": "sealing-1", "x": "AA"},
        {"kty": "oct", "k": "AA"},
        {**GOOD, "use": "enc", "x": "AA"},
        {**GOOD, "alg": "HS256"},
        {},
    ]
    assert list(parse_jwk_set(json.dumps({"keys": [*others, GOOD]}))) == ["receipt-2"]


@pytest.mark.parametrize(
    "found",
    [
        [],
        {},
        {"keys": {}},
        {"keys": None},
        {"keys": ["receipt-2"]},
        {"keys": [GOOD, GOOD]},
        {"keys": [{**GOOD, "kid": 1}]},
        {"keys": [{**GOOD, "kid": ["receipt-2"]}]},
        {"keys": [{**GOOD, "x": GOOD["x"][:-1]}]},
        {"keys": [{**GOOD, "x": GOOD["x"] + "="}]},
        {"keys": [{**GOOD, "x": "AA"}]},
        {"keys": [{**GOOD, "x": None}]},
        {"keys": [{name: value for name, value in GOOD.items() if name != "kid"}]},
        {"keys": [{name: value for name, value in GOOD.items() if name != "x"}]},
    ],
)
def test_another_thing_is_refused(found: object) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_jwk_set(json.dumps(found))
    assert caught.value.reason == "JWK_SET"


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_jwk_set(text)
