"""Receipts, against PyJWT, and against everything that a forger may try."""

import base64
import json
import os
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tests.vectors import load
from vault.crypto.jws import key_id, unspell
from vault.crypto.keypair import public_key
from vault.crypto.keyring import Key
from vault.crypto.receipt import LARGEST_RECEIPT, sign_receipt, verify_receipt
from vault.crypto.statement import sign_statement, verify_statement
from vault.errors import IntegrityFailure
from vault.model.states import KeyPurpose, KeyState
from vault.secret import Secret

SECRET = Secret(bytes(range(32)))
KEY = Key(KeyPurpose.RECEIPT, "", 3, KeyState.ACTIVE, SECRET)
PUBLIC = public_key(KeyPurpose.RECEIPT, SECRET) or b""
KEYS = {"receipt-3": PUBLIC}
CLAIMS: dict[str, Any] = {
    "iss": "urn:uuid:6f2c7a86-7f0e-4c2c-9f7e-0c6f3d1e2b3a",
    "aud": "ledger.example",
    "iat": 1_700_000_000,
    "nbf": 1_700_000_000,
    "exp": 1_700_000_300,
    "jti": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "use": "redemption",
    "nonce": "AAECAw",
    "sub": "0b0a5a0e-5d4e-4c0b-8d57-6a1f0c1e9b11",
    "program": "netcash",
    "outcome": "REDEEMED",
    "generation": 2,
}
HEADER = {"alg": "EdDSA", "kid": "receipt-3", "typ": "vault-receipt+jwt"}
RECEIPT = sign_receipt(KEY, CLAIMS)


def spell(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(header: object, payload: object) -> str:
    """Sign any header and payload with the right key."""
    signed = f"{spell(header)}.{spell(payload)}"
    return f"{signed}.{spell(Ed25519PrivateKey.from_private_bytes(SECRET.expose()).sign(signed.encode()))}"


def refusal(receipt: str, keys: dict[str, bytes] = KEYS) -> str:
    with pytest.raises(IntegrityFailure) as caught:
        verify_receipt(receipt, keys)
    assert caught.value.reason == "RECEIPT"
    return caught.value.message


MESSAGE = refusal("")


def test_claims_come_back_and_the_same_claims_give_the_same_receipt() -> None:
    assert verify_receipt(RECEIPT, {"receipt-1": os.urandom(32), **KEYS}) == CLAIMS
    assert sign_receipt(KEY, dict(reversed(CLAIMS.items()))) == RECEIPT
    assert sign_receipt(KEY._replace(secret=Secret(bytes(range(32)))), CLAIMS) == RECEIPT


def test_an_independent_library_verifies_it_and_its_claims() -> None:
    read = jwt.decode(
        RECEIPT,
        Ed25519PublicKey.from_public_bytes(PUBLIC),
        algorithms=["EdDSA"],
        audience="ledger.example",
        issuer=CLAIMS["iss"],
        options={"verify_exp": False, "require": ["iss", "sub", "aud", "iat", "nbf", "exp", "jti"]},
    )
    assert read == CLAIMS
    assert jwt.get_unverified_header(RECEIPT) == HEADER


def test_what_an_independent_library_signs_alike_is_accepted() -> None:
    assert verify_receipt(forged(HEADER, {"a": 1}), KEYS) == {"a": 1}


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "None"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "RS256"},
        {**HEADER, "alg": "ES256"},
        {**HEADER, "alg": "Ed25519"},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "typ": "vault-report+jwt"},
        {**HEADER, "typ": "Vault-Receipt+JWT"},
        {**HEADER, "kid": "receipt-4"},
        {**HEADER, "kid": "statement-3"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": {"kty": "OKP", "crv": "Ed25519", "x": spell(PUBLIC)}},
        {**HEADER, "jku": "https://keys.example"},
        {**HEADER, "b64": False},
        {"alg": "EdDSA", "typ": "vault-receipt+jwt"},
        {"alg": "EdDSA", "kid": "receipt-3"},
        dict(reversed(HEADER.items())),
        [],
        b'{"alg": "EdDSA","kid":"receipt-3","typ":"vault-receipt+jwt"}',
        b'{"alg":"EdDSA","alg":"EdDSA","kid":"receipt-3","typ":"vault-receipt+jwt"}',
    ],
)
def test_another_header_is_refused_even_when_it_is_signed(header: object) -> None:
    assert refusal(forged(header, CLAIMS)) == MESSAGE


@pytest.mark.parametrize(
    "payload",
    [
        [],
        1,
        None,
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b"{",
        b"\xff",
        b'{"a":NaN}',
        b'{"a":"\\u00e9"}',
        b"",
    ],
)
def test_another_spelling_of_the_payload_is_refused_even_when_it_is_signed(payload: object) -> None:
    assert refusal(forged(HEADER, payload)) == MESSAGE


def test_a_receipt_signed_by_another_algorithm_is_refused() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    keys: list[tuple[str, Any]] = [
        ("none", None),
        ("HS256", PUBLIC),
        ("HS512", PUBLIC * 2),
        ("ES256", elliptic),
        ("RS256", rsa.generate_private_key(65537, 2048)),
    ]
    for algorithm, key in keys:
        headers = {"kid": "receipt-3", "typ": "vault-receipt+jwt"}
        assert refusal(jwt.encode(CLAIMS, key, algorithm, headers=headers)) == MESSAGE


def test_another_key_or_type_is_refused() -> None:
    for keys in (
        {},
        {"receipt-2": PUBLIC},
        {"statement-3": PUBLIC},
        {"receipt-3": os.urandom(32)},
        {"receipt-3": PUBLIC[:31]},
        {"receipt-3": bytes(32)},
    ):
        assert refusal(RECEIPT, keys) == MESSAGE
    statement = sign_statement(KEY._replace(purpose=KeyPurpose.STATEMENT), "receipt", CLAIMS)
    assert refusal(statement, {"statement-3": PUBLIC, **KEYS}) == MESSAGE
    with pytest.raises(IntegrityFailure):
        verify_statement(RECEIPT, KEYS, "report")


@pytest.mark.parametrize("other", "AQgw.-_+=/ \n\0é")
def test_any_changed_character_is_refused_with_one_message(other: str) -> None:
    changed = {RECEIPT[:at] + other + RECEIPT[at + 1 :] for at in range(len(RECEIPT))} - {RECEIPT}
    longer = {other + RECEIPT, RECEIPT + other}
    assert {refusal(text) for text in changed | longer} == {MESSAGE}


@given(st.integers(0, 64 * 8 - 1))
def test_any_flipped_bit_of_the_signature_is_refused(bit: int) -> None:
    signed, _, signature = RECEIPT.rpartition(".")
    flipped = bytearray(unspell(signature))
    flipped[bit // 8] ^= 1 << bit % 8
    assert refusal(f"{signed}.{spell(bytes(flipped))}") == MESSAGE


def test_a_signature_that_is_the_same_but_for_the_group_order_is_refused() -> None:
    """RFC 8032, section 5.1.7: S has to be below the order, or a signature would have several spellings."""
    signed, _, signature = RECEIPT.rpartition(".")
    scalar = int.from_bytes(unspell(signature)[32:], "little") + 2**252 + 27742317777372353535851937790883648493
    again = unspell(signature)[:32] + scalar.to_bytes(32, "little")
    assert refusal(f"{signed}.{spell(again)}") == MESSAGE


def test_cut_and_enormous_receipts_are_refused() -> None:
    assert {refusal(RECEIPT[:end]) for end in range(len(RECEIPT))} == {MESSAGE}
    assert refusal(sign_receipt(KEY, {"a": "x" * LARGEST_RECEIPT})) == MESSAGE


def test_only_the_receipt_key_signs_and_only_what_has_json() -> None:
    with pytest.raises(ValueError, match="receipt key"):
        sign_receipt(KEY._replace(purpose=KeyPurpose.STATEMENT), CLAIMS)
    with pytest.raises(ValueError, match="JSON"):
        sign_receipt(KEY, {"a": float("nan")})


@pytest.mark.parametrize("case", load("receipt"), ids=lambda case: case["name"])
def test_frozen_receipts_hold(case: dict[str, Any]) -> None:
    key = Key(KeyPurpose.RECEIPT, "", case["version"], KeyState.ACTIVE, Secret(bytes.fromhex(case["key"])))
    named = {key_id(key.purpose, key.version): bytes.fromhex(case["public"])}
    assert public_key(key.purpose, key.secret) == bytes.fromhex(case["public"])
    if case["accepted"]:
        assert sign_receipt(key, case["claims"]) == case["receipt"]
        assert verify_receipt(case["receipt"], named) == case["claims"]
    else:
        assert refusal(case["receipt"], named) == MESSAGE
